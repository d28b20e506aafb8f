"""What is done when: the two stages of a run and their learning rates, by how much of its budget is spent."""

import math
from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """Block by block first: at random weights, learning from end to end gets nowhere for a long time."""

    BLOCKS = "block by block"
    WHOLE = "end to end"


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """Shares are of the whole budget, rates are Muon's."""

    # Blocks first, nearly to the end: in 48 minutes of two cores they alone reached 0.425 where the teacher has 0.647.
    blocks_share: float = 0.85
    warm_up: float = 0.01  # rising from nothing at the beginning of each stage
    # Half of the patches make views twice as cheap, and a block learns as much from a patch whatever is beside it:
    # in the same time, errors were 0.31 instead of 0.35.
    blocks_kept: float = 0.5
    blocks_rate: float = 6e-3
    blocks_floor: float = 0.03  # of the rate is left when the first stage ends: the second goes on from there
    whole_rate: float = 3e-4  # at ten times that, the second stage undid the first: 0.425 became 0.117


@dataclass(frozen=True, slots=True)
class Moment:
    """What holds at one moment of a run."""

    stage: Stage
    rate: float
    kept: float  # share of the patches that are looked at
    fading: float  # of the stage, 1 at its beginning to 0 at its end


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a run is in all, whatever the number of calls it takes: in views, or in minutes of learning."""

    views: int | None = None
    minutes: float | None = None

    def spent(self, views: int, seconds: float) -> float:
        """The share that is spent, 0 to 1."""
        shares = [0.0]
        if self.views is not None:
            shares.append(views / max(1, self.views))
        if self.minutes is not None:
            shares.append(seconds / max(1e-9, 60 * self.minutes))
        return min(1.0, max(shares))


def moment(settings: PlanSettings, spent: float) -> Moment:
    """What holds when a share of the budget, 0 to 1, is spent."""
    share = settings.blocks_share
    if spent < share:
        done = spent / share
        fall = settings.blocks_floor + (1 - settings.blocks_floor) * _cosine(done)
        return Moment(
            Stage.BLOCKS, settings.blocks_rate * _rise(spent, settings.warm_up) * fall, settings.blocks_kept, 1 - done
        )
    done = (spent - share) / max(1e-9, 1 - share)
    rate = settings.whole_rate * _rise(spent - share, settings.warm_up) * _cosine(done)
    return Moment(Stage.WHOLE, rate, 1.0, 1 - done)  # all patches are looked at, as the network will be used


def _cosine(done: float) -> float:
    """From 1 to 0, slowly at both ends (arXiv 1608.03983)."""
    return 0.5 + 0.5 * math.cos(math.pi * min(1.0, done))


def _rise(spent: float, warm_up: float) -> float:
    return min(1.0, (spent + 1e-3 * warm_up) / warm_up) if warm_up else 1.0
