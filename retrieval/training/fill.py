"""Fills a pool: views of two kinds of pictures, birds and everything else, with what the teachers make of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retrieval.errors import CheckpointError
from retrieval.training import teachers
from retrieval.training.atlas import Atlas
from retrieval.training.chance import Chance
from retrieval.training.pictures import Picture
from retrieval.training.pool import Origin, Pool
from retrieval.training.teachers import FeatureTeacher, SpeciesTeacher
from retrieval.training.views import Views, ViewSettings

# A bird's species shows in its whole shape: crops are larger and distortions milder than for learning features alone,
# and birds are also shown small, as in most people's photos. Grey is rare here: what a teacher makes of a grey bird is
# worse than what it makes of the coloured one, which the student is to learn for both.
_VIEWS = ViewSettings(
    side=(0.4, 1.0), whole=0.25, turned=0.25, turn=25.0, textures=0.01, mosaics=0.03, patched=0.08,
    double_exposures=0.10, insets=0.25, jittered=0.6, jitter=0.4, grey=0.02, tones=0.10, solarised=0.0,
    blurred=0.08, noisy=0.08, coarse=0.05, recompressed=0.12,
)  # fmt: skip
_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class FillSettings:
    """What a pool's views are of."""

    shard: int = 512  # views
    batch: int = 32  # views drawn at once
    others: float = 0.2  # share of views of other pictures than birds
    seed: int = 0
    views: ViewSettings = field(default_factory=lambda: _VIEWS)


class Filler:
    """Draws views and asks both teachers about them."""

    def __init__(
        self,
        birds: Sequence[Picture],
        others: Sequence[Picture],
        features: FeatureTeacher,
        species: SpeciesTeacher,
        settings: FillSettings,
    ) -> None:
        """Raises CheckpointError where the teachers look at images of different sizes."""
        if species.size != (features.transform.height, features.transform.width):
            raise CheckpointError("the two teachers look at images of different sizes")
        self.settings = settings
        self.features, self.species = features, species
        pictures = (*birds, *others)
        self._counts = len(birds), len(others)
        self._views = Views(Atlas([one.pixels for one in pictures], _CPU), settings.views, species.size[0])
        self.pictures = tuple(one.name for one in pictures)

    def origin(self, digests: tuple[str, str]) -> Origin:
        """What the pool is made of; `digests` are the teachers' files'."""
        return Origin(digests, self.pictures, self.species.size[0], self.settings.seed)

    def shard(self, number: int) -> dict[str, NDArray[Any]]:
        """The views and answers of one shard: the same for the same number, whatever was drawn before."""
        settings = self.settings
        batches = -(-settings.shard // settings.batch)
        parts = [self._batch(number * batches + batch) for batch in range(batches)]
        return {name: np.concatenate([part[name] for part in parts])[: settings.shard] for name in parts[0]}

    def _batch(self, step: int) -> dict[str, NDArray[Any]]:
        chance = Chance(_CPU, self.settings.seed, step)
        which = self._choose(chance)
        drawn = self._views.draw_of(which, chance)
        pixels = (drawn.images * 255).round().to(torch.uint8).numpy()
        answers = teachers.ask(self.features, self.species, pixels)
        return {
            "pixels": pixels,
            "features": answers.features,
            "logits": answers.logits,
            "hints": answers.hints,
            "pictures": which.numpy(),
            "mixed": drawn.mixed.numpy(),
        }

    def _choose(self, chance: Chance) -> Tensor:
        """The pictures of one batch (batch,): birds and others in a random order, so that mixes join both."""
        birds, others = self._counts
        n = self.settings.batch
        which = chance.integers((n,), birds)
        if others:
            chosen = chance.some(n, self.settings.others)
            which[chosen] = birds + chance.integers((len(chosen),), others)
        return which


def fill(
    pool: Pool,
    filler: Filler,
    shards: int,
    *,
    report: Callable[[int], None] = lambda _shards: None,
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Add shards until there are so many, or until `stopped`, which is asked before each; raises OSError."""
    while pool.shards < shards and not stopped():
        pool.add(filler.shard(pool.shards))
        report(pool.shards)
