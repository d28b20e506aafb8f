"""Where two pictures on one grid differ: what one shows and the other does not explain.

In every small window the one picture is fitted by the other with a gain and an offset, so that brightness, contrast and
a colour cast, even uneven ones, are no differences. What the fit leaves is counted where it is both visible and a large
share of what there is to see; what matters is the largest area of it in one piece.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.dedupe.alike.overlay import Overlay, Pixels, Plane
from retrieval.dedupe.alike.registration import Mask

_WINDOW = 1 / 150  # of the long side
_MIN_WINDOW = 5  # pixels
_VISIBLE = 7.0  # grey levels that stay unexplained
_SHARE = 0.6  # of the local structure
_COARSE_EASE = 0.9  # of both limits: what stays visible at half the size
_CONFIRMED = 0.2  # of a piece, at half the size
_SHIFTS = [(x, y) for y in (-1, 0, 1) for x in (-1, 0, 1) if x or y]  # pixels
_NOISE = 1.0  # grey levels: less structure than this explains nothing
_CLIPPED = (4, 251)  # grey levels at and beyond which a camera or an editor has cut off
_CUT_OFF = 0.08  # of three windows in each direction
_HUE = 18.0  # levels of colour difference
_HUE_BLUR = 1 / 200  # of the long side
_HUE_STEP = 4  # pixels between the places where hues are compared

Box = tuple[int, int, int, int]  # x, y, width, height


@dataclass(frozen=True, slots=True)
class Differences:
    """Areas are in units of (long side / 100) squared."""

    first_shows: float  # largest area that the first shows and the second does not explain, clipped lights apart
    second_shows: float
    first_total: float  # all such areas together
    second_total: float
    second_clipped: float  # largest area whose structure the second has lost to clipping
    first_clipped: float
    colour: float  # largest area of another hue
    boxes: tuple[Box, ...]  # around the largest areas, in pixels of the grid

    @property
    def largest(self) -> float:
        """The largest area that either shows alone."""
        return max(self.first_shows, self.second_shows, self.colour)


def differences(laid: Overlay) -> Differences:
    """Find where the two pictures of an overlay differ."""
    side = laid.side
    window = max(_MIN_WINDOW, round(side * _WINDOW) | 1)
    reach = 2 * (window // 2) + 3
    valid = np.asarray(cv2.erode(laid.shared, np.ones((reach, reach), np.uint8), borderValue=0), dtype=np.uint8)
    first_alone, second_alone = _coarse(laid, valid)
    if laid.is_clean:
        first_alone, second_alone = _unexplained(laid.first, laid.second, valid, window)
    elif first_alone.any() or second_alone.any():
        finely = _unexplained(laid.first, laid.second, valid, window)
        first_alone, second_alone = _confirmed(finely[0], first_alone), _confirmed(finely[1], second_alone)
    else:
        first_alone, second_alone = np.zeros(valid.shape, bool), np.zeros(valid.shape, bool)
    unit = (side / 100) ** 2
    ours, theirs = laid.colours
    second_lost = first_alone & _clipped(theirs, ours, window) if first_alone.any() else first_alone
    first_lost = second_alone & _clipped(ours, theirs, window) if second_alone.any() else second_alone
    first_alone, second_alone = first_alone & ~second_lost, second_alone & ~first_lost
    hue = _other_hue(laid, valid)
    first_largest, first_total, first_boxes = _pieces(first_alone, unit)
    second_largest, second_total, second_boxes = _pieces(second_alone, unit)
    colour, _, hue_boxes = _pieces(hue, unit)
    return Differences(
        first_largest,
        second_largest,
        first_total,
        second_total,
        _pieces(second_lost, unit)[0],
        _pieces(first_lost, unit)[0],
        colour,
        (*first_boxes, *second_boxes, *hue_boxes),
    )


def _coarse(laid: Overlay, valid: Mask) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where they differ at half the size: there, what compression does to fine structure is gone."""
    half = (max(1, valid.shape[1] // 2), max(1, valid.shape[0] // 2))
    first, second = (_halved(plane, half) for plane in (laid.first, laid.second))
    inside = np.asarray(cv2.resize(valid, half, interpolation=cv2.INTER_NEAREST), dtype=np.uint8)
    window = max(_MIN_WINDOW, round(max(half) * _WINDOW) | 1)
    return _unexplained(first, second, inside, window, _COARSE_EASE)


def _halved(plane: Plane, size: tuple[int, int]) -> Plane:
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _confirmed(found: NDArray[np.bool_], coarse: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pieces that are found at half the size too."""
    if not (found.any() and coarse.any()):
        return np.zeros(found.shape, bool)
    large = cv2.resize(coarse.astype(np.uint8), found.shape[::-1], interpolation=cv2.INTER_NEAREST)
    _, labels = cv2.connectedComponents(found.astype(np.uint8), connectivity=8)
    confirmed = np.bincount(labels.ravel(), weights=large.ravel() > 0) / np.bincount(labels.ravel())
    confirmed[0] = 0
    return np.asarray((confirmed > _CONFIRMED)[labels])


def _unexplained(
    first: Plane, second: Plane, valid: Mask, window: int, ease: float = 1.0
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where the first, and where the second, shows what the other does not explain, at any shift of a pixel."""
    inside = valid > 0
    first_variance, second_variance = _variance(first, window), _variance(second, window)
    first_left, second_left = _left(first, second, first_variance, second_variance, window)
    found = _differs(first_left, first_variance, inside, ease), _differs(second_left, second_variance, inside, ease)
    if not (found[0].any() or found[1].any()):
        return found
    for shift in _SHIFTS:
        moved, moved_variance = _moved(second, shift), _moved(second_variance, shift)
        left, moved_left = _left(first, moved, first_variance, moved_variance, window)
        np.minimum(first_left, left, out=first_left)
        np.minimum(second_left, _moved(moved_left, (-shift[0], -shift[1])), out=second_left)
    return _differs(first_left, first_variance, inside, ease), _differs(second_left, second_variance, inside, ease)


def _variance(plane: Plane, window: int) -> Plane:
    mean = _mean(plane, window)
    return np.asarray(np.maximum(_mean(plane * plane, window) - mean * mean, 0), dtype=np.float32)


def _mean(plane: Plane, window: int) -> Plane:
    return np.asarray(cv2.blur(plane, (window, window), borderType=cv2.BORDER_REFLECT), dtype=np.float32)


def _left(
    first: Plane, second: Plane, first_variance: Plane, second_variance: Plane, window: int
) -> tuple[Plane, Plane]:
    """The variance of each that the other does not explain. A negative picture explains nothing."""
    together = _mean(first * second, window) - _mean(first, window) * _mean(second, window)
    together = np.maximum(together, 0) ** 2
    noise = np.float32(_NOISE)
    first_left = first_variance - together / (second_variance + noise)
    second_left = second_variance - together / (first_variance + noise)
    return first_left, second_left


def _differs(left: Plane, variance: Plane, inside: NDArray[np.bool_], ease: float) -> NDArray[np.bool_]:
    return (left > (ease * _VISIBLE) ** 2) & (left > (ease * _SHARE) ** 2 * variance) & inside


def _moved(plane: Plane, shift: tuple[int, int]) -> Plane:
    return np.roll(plane, (shift[1], shift[0]), (0, 1))


def _clipped(own: Pixels, other: Pixels, window: int) -> NDArray[np.bool_]:
    """Where a channel of a picture is at the end of its range and the same channel of the other picture is not."""
    lost = (_ends(own) & ~_ends(other)).any(axis=-1)
    return np.asarray(_mean(np.asarray(lost, dtype=np.float32), 3 * window) > _CUT_OFF)


def _ends(picture: Pixels) -> NDArray[np.bool_]:
    """Which channels are at the end of their range: (height, width, 3)."""
    low, high = _CLIPPED
    return np.asarray((picture <= low) | (picture >= high))


def _other_hue(laid: Overlay, valid: Mask) -> NDArray[np.bool_]:
    """Where the colours differ from what one tone curve for the whole picture makes of them."""
    first, second = (_chroma(picture, laid.side) for picture in laid.colours)
    inside = valid[::_HUE_STEP, ::_HUE_STEP] > 0
    if inside.sum() < 100:
        return np.zeros(valid.shape, bool)
    # What an edit does to colours depends on the colour alone; who is grey in one picture explains no colour at all.
    forth, back = _left_of_colours(first, second, inside), _left_of_colours(second, first, inside)
    # Where a channel is cut off, the hue is another.
    ours, theirs = (_ends(picture[::_HUE_STEP, ::_HUE_STEP]).any(axis=-1) for picture in laid.colours)
    sound = ~(ours | theirs)
    found = (np.minimum(forth, back) > _HUE) & sound
    large = cv2.resize(found.astype(np.uint8), valid.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray((large > 0) & (valid > 0))


def _chroma(picture: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Luma and the two differences of colour, at a quarter of the size: (height / 4, width / 4, 3)."""
    blurred = cv2.GaussianBlur(picture, (0, 0), max(1.0, side * _HUE_BLUR))[::_HUE_STEP, ::_HUE_STEP]
    colours: NDArray[np.float32] = cv2.cvtColor(blurred, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    colours[..., 1:] -= 128
    return colours


def _left_of_colours(
    known: NDArray[np.float32], wanted: NDArray[np.float32], inside: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """How far the wanted differences of colour are from a quadratic function of the known colours and their light."""
    y, red, blue = (known[..., channel] / 64 for channel in range(3))
    down, across = np.meshgrid(*(np.linspace(-1, 1, length, dtype=np.float32) for length in y.shape), indexing="ij")
    light = (across, down, across**2 + down**2)  # which may fall off towards a side or the corners
    colours = (np.ones_like(y), y, red, blue, y * y, y * red, y * blue, red * red, red * blue, blue * blue)
    terms = np.stack([*colours, *(part * one for part in light for one in (red, blue))], -1)
    chosen, aim = (some[::3].astype(np.float64) for some in (terms[inside], wanted[inside][:, 1:]))
    weights = np.ones(len(chosen))
    factors: NDArray[np.floating] = np.zeros((terms.shape[-1], 2))
    for _ in range(4):
        products = chosen.T @ (chosen * weights[:, None]) + 1e-6 * len(chosen) * np.eye(terms.shape[-1])
        factors = np.linalg.solve(products + 1e-6 * np.eye(len(products)), chosen.T @ (weights[:, None] * aim))
        error = np.linalg.norm(aim - chosen @ factors, axis=1)
        weights = np.asarray(1 / (1 + (error / (2 * (float(np.median(error)) + 1.0))) ** 2), dtype=np.float64)
    left: NDArray[np.float32] = np.linalg.norm(wanted[..., 1:] - terms @ factors, axis=-1).astype(np.float32)
    return np.where(inside, left, np.float32(0))


def _pieces(mask: NDArray[np.bool_], unit: float, at_most: int = 6) -> tuple[float, float, tuple[Box, ...]]:
    """The largest connected area and all together, in units, and boxes around the largest."""
    if not mask.any():
        return 0.0, 0.0, ()
    _, _, figures, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = figures[1:, cv2.CC_STAT_AREA] / unit
    order = np.argsort(-areas, kind="stable")[:at_most]
    boxes = tuple(
        (int(x), int(y), int(width), int(height))
        for x, y, width, height, _ in figures[1:][order[areas[order] >= 0.5]].tolist()
    )
    return float(areas.max()), float(areas.sum()), boxes
