"""The models that have a name here, and what there is to say of them before they are fetched."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

LabelKind = Literal["species", "general"]

FLAGSHIP = "vit_reg4_b16_mim-intermediate-arabian-peninsula"
COMPACT = "compact"
AUTO = "auto"  # the flagship where it can be had, else the compact model
ALIASES = MappingProxyType({"flagship": FLAGSHIP})

COMPACT_FILE = Path(__file__).with_name("compact.safetensors")  # shipped with the package


@dataclass(frozen=True, slots=True)
class KnownModel:
    """One published network; its weights are pinned, so that one name always means the same network."""

    sha256: str  # of `<name>.pt` in the hub repository birder-project/<name>
    input_size: int  # pixels, height and width
    parameters: int
    classes: int
    about: str
    label_kind: LabelKind = "species"


# The second name is the model card's own; it belongs to another file, which spells its layers in the old way.
HUB_MODELS: Mapping[str, KnownModel] = MappingProxyType(
    {
        FLAGSHIP: KnownModel(
            "78dbf578ebe7d5761705231e16fef280b14905a94f18879167c96df3e59d13a5",
            input_size=384,
            parameters=86_661_855,
            classes=735,
            about="birds of the Arabian Peninsula; the flagship",
        ),
        "vitreg4_b16_mim-intermediate-arabian-peninsula": KnownModel(
            "e011f931a5a4d96ef21283d70911a55ea649eadfefa9c163a48b996797f0d9da",
            input_size=384,
            parameters=86_661_855,
            classes=735,
            about="the same birds under its old name, an earlier file",
        ),
        "vit_reg4_b16_mim-intermediate-il-common": KnownModel(
            "3a15b95285cd4435b601ef058839f422cdce8f68cca50de9353e1ac2bcb65f9a",
            input_size=256,
            parameters=86_273_830,
            classes=550,
            about="common birds of Israel",
        ),
    }
)
