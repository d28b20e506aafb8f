"""From the state of a distillation to a checkpoint: the averaged network with one of its two heads."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch

from retrieval.errors import CheckpointError
from retrieval.models import checkpoint
from retrieval.models.checkpoint import Checkpoint
from retrieval.species.labels import scientific_names
from retrieval.training import state
from retrieval.training.export import MIN_COSINE, Exported, agreement
from retrieval.training.state import State
from retrieval.training.teachers import Species

HeadKind: TypeAlias = Literal["species", "general"]
_NETWORK = "network."


def export(work: Path, path: Path, head: HeadKind, species: Sequence[Species]) -> Exported:
    """Write the student of a work folder as safetensors in half precision.

    Raises CheckpointError where there is no state, where `species` are not those of its head, or where what was
    written does not answer as it should.
    """
    found = state.load(work)
    if found is None:
        raise CheckpointError(f"there is no training state in {work}: train first")
    student = student_of(found, head, species)
    checkpoint.save(path, student, dtype=torch.float16, extra=_account(found, student, species))
    cosine = agreement(student, checkpoint.load(path))
    if not cosine >= MIN_COSINE:
        raise CheckpointError(f"{path} differs from what was trained (cosine {cosine:.6f}): its weights are not sound")
    return Exported(path.stat().st_size, found.position.views, cosine)


def student_of(found: State, head: HeadKind, species: Sequence[Species]) -> Checkpoint:
    """The network of a state, its averaged weights and one head, for the input size of its student.

    The labels of species are common names. Raises CheckpointError where `species` are not those of the head.
    """
    average, origin = found.average, found.origin
    weights = {name.removeprefix(_NETWORK): t for name, t in average.items() if name.startswith(_NETWORK)}
    trained, labels = _trained_for(weights, origin.config.patch_size, origin.config.special_tokens), origin.labels
    config = replace(origin.config, image_size=(trained, trained))
    if head == "species":
        if len(species) != len(average["species.weight"]):
            raise CheckpointError(f"the head knows {len(average['species.weight'])} classes, not {len(species)}")
        labels = tuple(one.common for one in species)
        weights |= {"classifier.weight": average["species.weight"], "classifier.bias": average["species.bias"]}
        config = replace(config, classes=len(labels))
    transform = replace(origin.transform, height=trained, width=trained)
    return Checkpoint(config, labels, transform, weights, head).resized(origin.config.image_size)


def _trained_for(weights: dict[str, torch.Tensor], patch_size: int, special: int) -> int:
    """The side of the input, in pixels, that a position table is for."""
    return math.isqrt(weights["pos_embedding"].shape[1] - special) * patch_size


def _account(found: State, student: Checkpoint, species: Sequence[Species]) -> dict[str, Any]:
    """How the student was made, and the scientific names of its labels."""
    position = found.position
    if student.label_kind == "species":
        names = {one.common: [one.scientific] for one in species if one.scientific}
    else:
        names = scientific_names(student.labels)
    made = {"teachers_sha256": found.origin.teacher_sha256, "pictures": found.origin.pictures, "steps": position.steps,
            "views": position.views, "hours": round(position.seconds / 3600, 2), "curve": position.curve}  # fmt: skip
    return {"training": made, "scientific_names": names}
