"""From a run's state to the checkpoint that is shipped: half precision, labels for people, an account of its making."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name the whole field uses

from retrieval.errors import CheckpointError
from retrieval.models import checkpoint
from retrieval.models.checkpoint import Checkpoint
from retrieval.species.labels import clean, scientific_names
from retrieval.training import state
from retrieval.training.state import State

MIN_COSINE = 0.9999  # of features before and after rounding to half precision


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    bytes: int
    views: int  # learnt from
    cosine: float  # lowest, of features before and after


def export(work: Path, path: Path) -> Exported:
    """Write the student of a work folder, its averaged weights, as safetensors.

    Raises CheckpointError where there is no state, or where what was written does not answer as it should.
    """
    found = state.load(work)
    if found is None:
        raise CheckpointError(f"there is no training state in {work}: train first")
    student = student_of(found)
    extra = {"training": summary(found), "scientific_names": scientific_names(found.origin.labels)}
    checkpoint.save(path, student, dtype=torch.float16, extra=extra)
    cosine = agreement(student, checkpoint.load(path))
    if not cosine >= MIN_COSINE:
        raise CheckpointError(f"{path} differs from what was trained (cosine {cosine:.6f}): its weights are not sound")
    return Exported(path.stat().st_size, found.position.views, cosine)


def student_of(found: State) -> Checkpoint:
    """The student of a state with its averaged weights and with labels for people, which are general ones."""
    origin = found.origin
    return Checkpoint(origin.config, clean(origin.labels), origin.transform, found.average, "general")


def summary(found: State) -> dict[str, Any]:
    """How the student was made, in numbers."""
    position = found.position
    return {
        "teacher_sha256": found.origin.teacher_sha256,
        "pictures": found.origin.pictures,
        "steps": position.steps,
        "views": position.views,
        "hours": round(position.seconds / 3600, 2),
        "curve": position.curve,
    }


@torch.no_grad()
def agreement(one: Checkpoint, other: Checkpoint, images: int = 4) -> float:
    """The lowest cosine between two networks' features of the same random images."""
    size: Sequence[int] = one.config.image_size
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((images, 3, *size), generator=generator)
    features = [network.network()(noise)[0] for network in (one, other)]
    return float(F.cosine_similarity(*features).min())
