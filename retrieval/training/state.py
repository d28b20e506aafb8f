"""A run's state on disk: all of it or the one before, in parts that are small enough to be carried anywhere.

`state.json` names the parts and is replaced last, so a process that is killed while it writes leaves the state before.
Weights are kept in half precision: rounding them, once a call, changes them less than one step does.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from retrieval.durable import replacing
from retrieval.errors import CheckpointError
from retrieval.models.transform import InputTransform
from retrieval.models.vit import VitConfig

FORMAT = 1
PART_BYTES = 15 * 2**20  # at most; what carries files between machines often stops at 16 MiB
_MANIFEST = "state.json"
# Second moments of gradients span more than half precision's range, and need less than its precision.
_DTYPES = {"weights": torch.float16, "average": torch.float16, "memory": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Origin:
    """What a run is of: to go on with anything else would be another run."""

    teacher_sha256: str
    config: VitConfig  # of the student
    transform: InputTransform
    labels: tuple[str, ...]  # as the teacher has them
    pictures: int


@dataclass(slots=True)
class Position:
    """How far a run is."""

    steps: int = 0
    views: int = 0
    seconds: float = 0.0  # of learning
    curve: list[dict[str, Any]] = field(default_factory=list)  # measurements along the way, thinned


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """All that a run needs to go on."""

    origin: Origin
    position: Position
    weights: dict[str, Tensor]
    average: dict[str, Tensor]  # of the weights, exponential
    memory: dict[str, Tensor]  # the optimiser's


def save(folder: Path, state: State) -> None:
    """Write a state in place of the one before; raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for number, tensors in enumerate(_parts(_flat(state))):
        names.append(f"state-{state.position.steps:09}-{number}.safetensors")
        with replacing(folder / names[-1]) as partial:
            safetensors.torch.save_file(tensors, partial)
    manifest = {
        "format": FORMAT,
        "parts": names,
        "origin": asdict(state.origin),
        "position": asdict(state.position),
    }
    with replacing(folder / _MANIFEST) as partial:
        partial.write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    for old in folder.glob("state-*.safetensors*"):
        if old.name not in names:
            old.unlink()


def load(folder: Path) -> State | None:
    """The state in a folder, None where there is none; raises CheckpointError where it is broken."""
    path = folder / _MANIFEST
    if not path.exists():
        return None
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise CheckpointError(f"{path} is of format {manifest['format']}, this program writes {FORMAT}")
        tensors: dict[str, Tensor] = {}
        for name in manifest["parts"]:
            tensors |= safetensors.torch.load_file(folder / name)
        origin, position = _origin(manifest["origin"]), Position(**manifest["position"])
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise CheckpointError(
            f"the state in {folder} is broken ({error}): bring all its parts, or begin anew"
        ) from error
    return State(origin, position, *(_group(tensors, group) for group in _DTYPES))


def _flat(state: State) -> dict[str, Tensor]:
    return {
        f"{group}/{name}": tensor.detach().to("cpu", dtype).contiguous()
        for group, dtype in _DTYPES.items()
        for name, tensor in getattr(state, group).items()
    }


def _parts(tensors: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """The tensors in order, as many together as a part may hold; a header of names needs little beside."""
    part: dict[str, Tensor] = {}
    size = 0
    for name, tensor in tensors.items():
        needed = tensor.nbytes + 256
        if part and size + needed > PART_BYTES:
            yield part
            part, size = {}, 0
        part[name] = tensor
        size += needed
    yield part


def _group(tensors: Mapping[str, Tensor], group: str) -> dict[str, Tensor]:
    return {name.partition("/")[2]: t.float() for name, t in tensors.items() if name.startswith(f"{group}/")}


def _origin(stored: dict[str, Any]) -> Origin:
    config = stored["config"] | {"image_size": tuple(stored["config"]["image_size"])}
    transform = stored["transform"] | {key: tuple(stored["transform"][key]) for key in ("mean", "std")}
    return Origin(
        stored["teacher_sha256"],
        VitConfig(**config),
        InputTransform(**transform),
        tuple(stored["labels"]),
        stored["pictures"],
    )
