"""Whether two pictures, laid upon each other, show the same everywhere: not merely many of the same points.

A burst taken from a tripod shares its background, and hundreds of points, with the next frame. But where the bird
was it is gone, and where it is it was not: something is missing on both sides. A watermark or a border adds on one
side only. So what disagrees is weighed apart by the side that shows more there.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.dedupe.alike.features import Features, Grey, unframed
from retrieval.dedupe.alike.geometry import Affine

_BLOCKS = 1 / 16  # of the long side: one block's
_FINEST, _COARSEST = 1 / 200, 1 / 32  # of the long side: structure between these sizes is compared
_SEEN = 0.3  # of the median block's energy: with less there is nothing to see
_VISIBLE = 0.3  # grey levels, root mean square: with less, rounding is all that two pictures have in common
_AGREES = 0.35  # correlation of a block
_COVERED = 0.4  # of a block

_MARGIN = np.ones((5, 5), np.uint8)  # along the edges of what both show, where they run into what one alone shows

Blocks = NDArray[np.float32]
Mask = NDArray[np.uint8]  # (height, width): 1 or 0


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two pictures agree where they overlap. Shares are of what there is to see, 0 to 1."""

    correlation: float  # of local structure, -1 to 1
    missing_first: float  # shown by the second alone
    missing_second: float  # shown by the first alone
    covers_first: float  # share of the first's area that the second shows too
    covers_second: float

    @property
    def disagreeing(self) -> float:
        """Share of what there is to see that differs."""
        return self.missing_first + self.missing_second

    @property
    def exchanged(self) -> float:
        """What is missing on both sides: something moved, as between two shots."""
        return min(self.missing_first, self.missing_second)


NOTHING = Agreement(0.0, 1.0, 1.0, 0.0, 0.0)


def agreement(first: Features, second: Features, affine: Affine) -> Agreement:
    """Compare two pictures; `affine` takes places of the first to places of the second."""
    height, width = first.shape
    side = max(height, width)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved: Grey = np.asarray(
        cv2.warpAffine(
            unframed(second.grey, second.border), affine, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
        ),
        dtype=np.uint8,
    )
    shared = _shared(first, second, affine)
    overlap = np.asarray(cv2.erode(shared, _MARGIN, borderType=cv2.BORDER_CONSTANT, borderValue=0), dtype=np.uint8)
    x, y = (_structure(picture, side) * overlap for picture in (unframed(first.grey, first.border), moved))
    grid = (max(1, round(width / (side * _BLOCKS))), max(1, round(height / (side * _BLOCKS))))
    covered = _blocks(overlap.astype(np.float32), grid)
    if not (covered > _COVERED).any() or min(_strength(x, overlap), _strength(y, overlap)) < _VISIBLE:
        return NOTHING
    missing = _missing(_blocks(x * x, grid), _blocks(y * y, grid), _blocks(x * y, grid), covered)
    correlation = float((x * y).sum() / max(float(np.sqrt((x * x).sum() * (y * y).sum())), 1e-6))
    whole = float(shared.sum())
    second_size = abs(np.linalg.det(affine[:, :2])) * whole
    return Agreement(
        correlation, *missing, min(1.0, whole / _inside(first).sum()), min(1.0, second_size / _inside(second).sum())
    )


def _missing(xx: Blocks, yy: Blocks, xy: Blocks, covered: Blocks) -> tuple[float, float]:
    """Share of structure that the first lacks, and that the second lacks, of energies and products by block."""
    alike = xy / np.maximum(np.sqrt(xx * yy), 1e-6)
    looked_at = covered > _COVERED
    good = looked_at & (alike > 0.5)
    ratio = yy / np.maximum(xx, 1e-6)
    gain = max(float(np.median(ratio[good if good.any() else looked_at])), 1e-6)  # the second may have more contrast
    first, second = xx / np.maximum(covered, 0.01), yy / np.maximum(covered, 0.01) / gain
    energy = np.maximum(first, second)
    seen = looked_at & (energy > _SEEN * np.median(energy[looked_at]))
    weight = np.sqrt(energy) * seen
    differs = weight * (alike < _AGREES) / max(float(weight.sum()), 1e-6)
    return float(differs[second >= first].sum()), float(differs[first > second].sum())


def _structure(picture: Grey, side: int) -> NDArray[np.float32]:
    """What lies between the finest and the coarsest size: neither noise nor light."""
    values = picture.astype(np.float32)
    fine = cv2.GaussianBlur(values, (0, 0), max(0.8, side * _FINEST))
    structure: NDArray[np.float32] = fine - cv2.GaussianBlur(values, (0, 0), max(2.0, side * _COARSEST))
    return structure


def _strength(structure: NDArray[np.float32], inside: Mask) -> float:
    """Root mean square of structure, in grey levels."""
    return float(np.sqrt((structure**2).sum() / max(float(inside.sum()), 1.0)))


def strength(picture: Features) -> float:
    """How much there is to see in a picture, in grey levels: skies and gradients have less than 3, birds 6 and more."""
    return _strength(_structure(picture.grey, max(picture.shape)), np.ones(picture.shape, np.uint8))


def _blocks(values: NDArray[np.float32], grid: tuple[int, int]) -> Blocks:
    return np.asarray(cv2.resize(values, grid, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _shared(first: Features, second: Features, affine: Affine) -> Mask:
    """Where both show something, borders apart."""
    height, width = first.shape
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(_inside(second), affine, (width, height), flags=flags) * _inside(first))


def _inside(picture: Features) -> Mask:
    """The picture without its border."""
    height, width = picture.shape
    top, bottom, left, right = picture.border
    inside = np.zeros((height, width), np.uint8)
    inside[top : height - bottom, left : width - right] = 1
    return inside
