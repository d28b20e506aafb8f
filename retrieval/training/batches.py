"""Which views of a pool make a batch, and what the student sees of them."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name the whole field uses
from numpy.typing import NDArray
from torch import Tensor

from retrieval.training import colour, edits
from retrieval.training.chance import Chance
from retrieval.training.pool import Pool, Rows


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """How batches are made. A share is the part of the views to which something happens."""

    size: int = 32  # views
    paired: float = 0.5  # share of views that stand beside another one of the same species, by the teacher
    mirrored: float = 0.5
    grey: float = 0.10
    turned: float = 0.14  # by 90, 180 or 270 degrees
    edited: float = 0.12  # in one of the ways of `edits`
    brightness: float = 0.2  # at most so much lighter or darker, as a share


class Batches:
    """Random views of a pool."""

    def __init__(self, pool: Pool, settings: BatchSettings) -> None:
        self.pool = pool
        self.settings = settings
        self._species: NDArray[np.int64] = np.zeros(0, np.int64)
        self._members: list[NDArray[np.int64]] = []
        self.refresh()

    def refresh(self) -> None:
        """Take in the shards that were added to the pool since."""
        self.pool.refresh()
        if len(self.pool) == len(self._species):
            return
        self._species = self.pool.whole("logits").argmax(axis=1)
        order = np.argsort(self._species, kind="stable")
        bounds = np.searchsorted(self._species[order], np.arange(self._species.max() + 2))
        self._members = [order[begin:end] for begin, end in pairwise(bounds)]

    def draw(self, chance: Chance) -> Rows:
        """A batch of views with the teachers' answers."""
        return self.pool.rows(self.numbers(chance))

    def numbers(self, chance: Chance) -> NDArray[np.int64]:
        """Which views are in a batch: the first ones at random, then for some of these a partner each."""
        partners = int(self.settings.size * self.settings.paired / 2)
        first = chance.integers((self.settings.size - partners,), len(self.pool)).numpy()
        places = chance.uniform((partners,)).numpy()
        second = [
            self._members[species][int(place * len(self._members[species]))]
            for species, place in zip(self._species[first[:partners]], places, strict=True)
        ]
        return np.concatenate([first, np.array(second, np.int64)])

    def seen(self, pixels: NDArray[np.uint8], size: int, chance: Chance) -> Tensor:
        """What the student is shown of views (n, 3, height, width): (n, 3, size, size), float32, 0 to 1.

        The teachers' answers are those for the unedited views: what an edit changes is to be ignored.
        """
        settings = self.settings
        images = torch.from_numpy(pixels).float() / 255
        if images.shape[2] != size:
            images = F.interpolate(images, size=(size, size), mode="bilinear", antialias=True)
        n = len(images)
        gain = 1 + settings.brightness * (2 * chance.uniform((n, 1, 1, 1)) - 1)
        images = (images * gain).clamp_(0, 1)
        _change(images, chance.some(n, settings.mirrored), lambda some: some.flip(3))
        _change(images, chance.some(n, settings.edited), lambda some: edits.edit(some, chance))
        _change(images, chance.some(n, settings.grey), colour.grey)
        for part in chance.some(n, settings.turned).tensor_split(3):
            _change(images, part, lambda some: edits.turned(some, chance))
        return images


def _change(images: Tensor, chosen: Tensor, change: Callable[[Tensor], Tensor]) -> None:
    if len(chosen):
        images[chosen] = change(images[chosen])
