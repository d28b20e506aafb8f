"""How one picture lies in another: the similarity transform that most of their matching points agree on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.dedupe.alike.features import Features, rooted

MIN_SIMILARITY = 0.8  # of matching descriptors, of at most 1
MIN_MATCHES = 6  # fewer points of two pictures often agree by chance
_COARSE = 0.06  # of the picture's long side: how far a point may lie from where one match alone says it is
_TOLERANCES = (0.06, 0.03, 0.015)  # from where all the matches say it is, round by round
_MAX_SCALE = 6.0

Affine = NDArray[np.float64]  # (2, 3): takes (x, y, 1) of the first picture to (x, y) of the second
Pairs = NDArray[np.intp]  # (m, 2): numbers of a point of the first and of its match in the second


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """Where the first picture's points lie in the second, and how many matches say so."""

    affine: Affine
    inliers: int

    @property
    def scale(self) -> float:
        """How much larger the second shows the same things."""
        return float(np.sqrt(abs(np.linalg.det(self.affine[:, :2]))))

    @property
    def degrees(self) -> float:
        """How far the second is turned, -180 to 180."""
        return float(np.degrees(np.arctan2(self.affine[1, 0], self.affine[0, 0])))


def matches(first: Features, others: list[Features]) -> list[Pairs]:
    """Of each other picture, the points that are each other's best match with those of the first."""
    return [pairs for (pairs,) in all_matches([first], others)]


def all_matches(firsts: list[Features], others: list[Features]) -> list[list[Pairs]]:
    """Of each other picture, the same with each of several first ones."""
    if not others:
        return []
    theirs = rooted(np.concatenate([other.descriptors for other in others]))
    everything = rooted(np.concatenate([first.descriptors for first in firsts])) @ theirs.T
    columns, rows = (np.cumsum([len(one) for one in some])[:-1] for some in (others, firsts))
    return [[_mutual(block) for block in np.split(part, rows)] for part in np.split(everything, columns, axis=1)]


def _mutual(similarity: NDArray[np.float32]) -> Pairs:
    if not similarity.size:
        return np.zeros((0, 2), np.intp)
    best = similarity.argmax(axis=1)
    own = np.arange(len(best))
    good = (similarity.argmax(axis=0)[best] == own) & (similarity[own, best] >= MIN_SIMILARITY)
    return np.stack([own[good], best[good]], axis=1)


def align(first: Features, second: Features, pairs: Pairs) -> Alignment | None:
    """The transform that most matches agree on; None where fewer than MIN_MATCHES do.

    Each match alone says how far its patch was moved, scaled and turned. What most others agree with is then fitted
    to all that do: as RANSAC, but every sample is tried, so that the answer is always the same.
    """
    if len(pairs) < MIN_MATCHES:
        return None
    a, b = first.points[pairs[:, 0]].astype(np.float64), second.points[pairs[:, 1]].astype(np.float64)
    side = max(second.shape)
    agreeing = _agreeing_with_one(a, b, _COARSE * side)
    for tolerance in _TOLERANCES:
        if agreeing.sum() < MIN_MATCHES:
            return None
        affine = _fitted(a[agreeing, :2], b[agreeing, :2])
        agreeing = np.linalg.norm(_moved(affine, a[:, :2]) - b[:, :2], axis=1) <= tolerance * side
    inliers = _distinct(a[agreeing, :2], b[agreeing, :2])
    if inliers < MIN_MATCHES:
        return None
    return Alignment(_fitted(a[agreeing, :2], b[agreeing, :2]), inliers)


def _agreeing_with_one(a: NDArray[np.float64], b: NDArray[np.float64], tolerance: float) -> NDArray[np.bool_]:
    """Which matches agree with the one match that most agree with."""
    scale = np.clip(b[:, 2] / np.maximum(a[:, 2], 1e-6), 1 / _MAX_SCALE, _MAX_SCALE)
    turn = scale * np.exp(1j * np.radians(b[:, 3] - a[:, 3]))
    places_a, places_b = a[:, 0] + 1j * a[:, 1], b[:, 0] + 1j * b[:, 1]
    expected = turn[:, None] * (places_a[None, :] - places_a[:, None]) + places_b[:, None]
    relative = turn[:, None] / turn[None, :]
    agreed = np.abs(expected - places_b[None, :]) <= tolerance
    agreed &= np.abs(np.log2(np.abs(relative))) <= 0.6
    agreed &= np.abs(np.angle(relative)) <= np.radians(30)
    best: NDArray[np.bool_] = agreed[agreed.sum(axis=1).argmax()]
    return best


def _fitted(a: NDArray[np.float64], b: NDArray[np.float64]) -> Affine:
    """The similarity transform that takes points a to b with least squared error (Umeyama 1991)."""
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    x, y = (a - mean_a) @ np.array([1, 1j]), (b - mean_b) @ np.array([1, 1j])
    turn = np.vdot(x, y) / max(np.vdot(x, x).real, 1e-9)
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.concatenate([linear, (mean_b - linear @ mean_a)[:, None]], axis=1)


def _moved(affine: Affine, points: NDArray[np.float64]) -> NDArray[np.float64]:
    moved: NDArray[np.float64] = points @ affine[:, :2].T + affine[:, 2]
    return moved


def _distinct(a: NDArray[np.float64], b: NDArray[np.float64]) -> int:
    """How many places the matches have: several descriptors can stand on one point."""
    return min(len(np.unique(np.round(points), axis=0)) for points in (a, b))
