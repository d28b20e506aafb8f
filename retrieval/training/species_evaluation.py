"""How good a student is, by photos never learnt from: neighbours, edited copies, and species by their names.

This only measures; nothing that it finds leads the training.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name the whole field uses
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.func import functional_call

from retrieval.models.transform import InputTransform
from retrieval.search import exact
from retrieval.training import bundle, colour
from retrieval.training.distil import Student
from retrieval.training.teachers import Species

_BATCH = 25
_NEAREST = 20  # among which an edited copy is looked for
_COPIES: dict[str, Callable[[Tensor], Tensor]] = {
    "grey": lambda images: colour.grey(images).round(),
    "turned": lambda images: images.rot90(1, (2, 3)),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """Shares of photos, 0 to 1."""

    neighbour: float  # whose nearest other photo is of their species
    top1: float  # whose species is the first choice, of those that the head knows
    top5: float
    copies: dict[str, float]  # whose copy, edited in one way, is among the 20 nearest of all photos and copies


class SpeciesEvaluation:
    """Photos in one folder a species."""

    def __init__(
        self, source: Path, species: Sequence[Species], transform: InputTransform, *, copied: int = 150
    ) -> None:
        """Read a folder of folders, or a bundle of one; of every so many photos `copied` are edited.

        Raises ArchiveError.
        """
        pictures = bundle.load([source], sift=False)
        self.names = np.array([PurePosixPath(picture.name).parent.name for picture in pictures])
        self.wanted = class_numbers(self.names.tolist(), species)
        self._pictures = [Image.fromarray(picture.pixels) for picture in pictures]
        self._mean, self._std = (torch.tensor(v).view(3, 1, 1) for v in (transform.mean, transform.std))
        self._copied = np.arange(0, len(pictures), max(1, len(pictures) // copied))

    def measure(self, student: Student, weights: Mapping[str, Tensor] | None = None) -> Measured:
        """All measures of a student; `weights` stand in for its own."""
        given = dict(student.state_dict() if weights is None else weights)
        images = self._images(student.network.config.image_size)
        features, logits = self._answers(student, given, images)
        copies = {
            name: self._found(features, self._answers(student, given, edit(images[self._copied].float()))[0])
            for name, edit in _COPIES.items()
        }
        top1, top5 = top_accuracy(logits, self.wanted)
        return Measured(self._neighbour(features), top1, top5, copies)

    def _images(self, size: tuple[int, int]) -> Tensor:
        """As photos are embedded: straight to the input's size by Pillow's bicubic filter."""
        resized = [np.array(image.resize(size[::-1], Image.Resampling.BICUBIC)) for image in self._pictures]
        return torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2)

    @torch.no_grad()
    def _answers(
        self, student: Student, weights: dict[str, Tensor], images: Tensor
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Unit features (n, width) and logits (n, species) of images (n, 3, height, width), 0 to 255."""
        features, logits = [], []
        for some in torch.split(images, _BATCH):
            said = functional_call(student, weights, ((some.float() / 255 - self._mean) / self._std,))
            features.append(F.normalize(said.features.float()))
            logits.append(said.species.float())
        return torch.cat(features).numpy(), torch.cat(logits).numpy()

    def _neighbour(self, features: NDArray[np.float32]) -> float:
        _, nearest = exact.search(features, features, 2)
        own = np.arange(len(features))
        others = np.where(nearest[:, 0] == own, nearest[:, 1], nearest[:, 0])
        return float(np.mean(self.names[others] == self.names))

    def _found(self, features: NDArray[np.float32], copies: NDArray[np.float32]) -> float:
        every = np.concatenate([features, copies])
        _, nearest = exact.search(every, features[self._copied], _NEAREST + 1)  # the photo itself is the nearest
        wanted = len(features) + np.arange(len(copies))
        return float(np.mean((nearest == wanted[:, None]).any(axis=1)))


def top_accuracy(logits: NDArray[np.float32], wanted: NDArray[np.int64]) -> tuple[float, float]:
    """How often the wanted class (n,) is the first, and among the first five; rows that want none (-1) are left out."""
    known = wanted >= 0
    best = np.argsort(-logits[known], axis=1, kind="stable")[:, :5]
    hits = best == wanted[known, None]
    return float(hits[:, 0].mean()), float(hits.any(axis=1).mean())


def class_numbers(names: Sequence[str], species: Sequence[Species]) -> NDArray[np.int64]:
    """The class (n,) whose common name is that of a folder, whatever its spaces, hyphens and capitals; -1 for none."""
    numbers = {_letters(one.common): number for number, one in enumerate(species) if one.scientific}
    return np.array([numbers.get(_letters(name), -1) for name in names], np.int64)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())
