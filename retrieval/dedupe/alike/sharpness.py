"""Whether one of two pictures on one grid has detail that the other lacks, all over or in places.

Detail is the energy of the finest structure beside that of the structure next to it: contrast does not change it.
Sharpening, softening, scaling and compression change it everywhere alike, or take some away. Two focus distances give
it in one place and take it in another.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.dedupe.alike.overlay import Overlay, Plane, blended
from retrieval.dedupe.alike.registration import smoothed

_FINE, _MIDDLE = 1.2, 4.0  # pixels: finer than the first, and between the two
_BLOCKS = 1 / 20  # of the long side
_SEEN = 1.2  # grey levels of the middle structure, root mean square: with less there is no detail to speak of
_COVERED = 0.9
_SMALLEST = 256  # pixels of the longer side: smaller ones have nothing but edges
_DIFFERENT = 0.3  # octaves: less is no difference


@dataclass(frozen=True, slots=True)
class Sharpness:
    """Logarithms to base 2 of the second's detail over the first's."""

    typical: float  # the median over all places
    higher: float  # share of places, 0 to 1, where the second is clearly sharper than it typically is
    lower: float
    lost: float  # share, 0 to 1, of the sharper one's fine structure that nothing in the softer one tells

    @property
    def exchanged(self) -> float:
        """Share of places where each is sharper than the other: the focus lay elsewhere."""
        return min(self.higher, self.lower)


def sharpness(laid: Overlay, apart: float = 0.9) -> Sharpness:
    """Compare detail place by place; `apart` is how far from the typical ratio a place counts, in octaves."""
    if laid.side < _SMALLEST:
        return Sharpness(0.0, 0.0, 0.0, 0.0)
    planes = (laid.first_seen, laid.second_seen, laid.shared.astype(np.float32))
    typical, higher, lower = _by_place(planes, apart)
    # What is far out of focus has no fine structure at all, and shows at half the size.
    half = tuple(max(1, length // 2) for length in reversed(laid.shared.shape))
    coarsely = _by_place(tuple(_blocks(plane, half) for plane in planes), apart)
    return Sharpness(typical, max(higher, coarsely[1]), max(lower, coarsely[2]), _lost(laid, typical))


def _by_place(planes: tuple[Plane, ...], apart: float) -> tuple[float, float, float]:
    """The typical ratio of detail, and the shares of places where it is clearly higher and lower."""
    first, second, shared = planes
    side = max(shared.shape)
    grid = tuple(max(1, round(length / (side * _BLOCKS))) for length in reversed(shared.shape))
    fine_first, middle_first = _bands(first, grid)
    fine_second, middle_second = _bands(second, grid)
    seen = (_blocks(shared, grid) > _COVERED) & (np.minimum(middle_first, middle_second) > _SEEN**2)
    if seen.sum() < 4:
        return 0.0, 0.0, 0.0
    rounding = np.float32(0.1)  # grey levels squared: what rounding to whole numbers and compression add
    detail = [
        (fine + rounding) / (middle + rounding)
        for fine, middle in ((fine_first, middle_first), (fine_second, middle_second))
    ]
    ratio = 0.5 * np.log2(detail[1] / detail[0])
    typical = float(np.median(ratio[seen]))
    smooth = cv2.blur(np.where(seen, ratio - typical, 0).astype(np.float32), (3, 3))  # one block may be off by chance
    return typical, float((smooth > apart).sum() / seen.size), float((smooth < -apart).sum() / seen.size)


def _lost(laid: Overlay, typical: float) -> float:
    """Sharpening can be undone, so that the softer picture tells all; blur and blowing up cannot."""
    if abs(typical) < _DIFFERENT:
        return 0.0
    sharper, softer = laid.second_seen, laid.first_seen
    if typical < 0:
        sharper, softer = softer, sharper
    blend, _ = blended(softer, smoothed(softer, _MIDDLE), sharper - smoothed(sharper, _MIDDLE), laid.shared)
    wanted, told = (plane - cv2.GaussianBlur(plane, (0, 0), _FINE) for plane in (sharper, blend))
    inside = laid.shared > 0
    left = float(((wanted - told)[inside] ** 2).mean()) / max(float((wanted[inside] ** 2).mean()), 1e-6)
    return float(min(1.0, left) ** 0.5)


def _bands(picture: Plane, grid: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The energy of the fine and of the middle structure, by block."""
    soft = cv2.GaussianBlur(picture, (0, 0), _FINE)
    fine, middle = picture - soft, soft - smoothed(picture, _MIDDLE)
    return _blocks(fine * fine, grid), _blocks(middle * middle, grid)


def _blocks(values: Plane, grid: tuple[int, ...]) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(values, (grid[0], grid[1]), interpolation=cv2.INTER_AREA), dtype=np.float32)
