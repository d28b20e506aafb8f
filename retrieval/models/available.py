"""The networks that have a name, with what is known of each without loading it."""

from collections.abc import Iterator
from dataclasses import dataclass

from retrieval.models import speeds, zoo
from retrieval.models.known import ALIASES, COMPACT, HUB_MODELS, LabelKind


@dataclass(frozen=True, slots=True)
class AvailableModel:
    """A network that has a name."""

    name: str
    about: str
    input_size: int  # pixels, of either side
    parameters: int
    classes: int
    label_kind: LabelKind
    where: str  # in words: a path, or that it is not downloaded
    photos_per_s: float | None  # on this machine, where a run was long enough to tell


def available_models() -> Iterator[AvailableModel]:
    """Yield the networks of the hub that have a name, and the compact one where the package has it."""
    names = {name: alias for alias, name in ALIASES.items()}
    for name, model in HUB_MODELS.items():
        sizes = (model.input_size, model.parameters, model.classes, model.label_kind)
        rate = speeds.recall(model.sha256, (model.input_size, model.input_size))
        yield AvailableModel(names.get(name, name), model.about, *sizes, zoo.located(name), rate)
    compact = zoo.packaged_facts()
    if compact:
        sizes = (compact.input_size, compact.parameters, compact.classes, compact.label_kind)
        rate = speeds.recall(compact.sha256, (compact.input_size, compact.input_size))
        yield AvailableModel(COMPACT, compact.about, *sizes, "in this package", rate)
