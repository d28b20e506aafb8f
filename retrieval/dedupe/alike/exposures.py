"""Whether two pictures of one scene come from one exposure, by what no two exposures share.

Sensor noise is new with every exposure, and a camera, even on a tripod, moves by a fraction of a pixel. So of two
exposures the finest structure in flat places is visible in both and unrelated; of two versions of one exposure it is
related, or compression has taken it from one of them.
"""

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np

from retrieval.dedupe.alike.overlay import Overlay, Plane
from retrieval.dedupe.alike.registration import Transform

_FINE, _MIDDLE = 1.2, 4.0  # pixels
_FLAT_WINDOW = 19  # pixels, in which a place is flat or not
_FLATTEST = 2.0  # per cent of what is shown
_VISIBLE = 0.6  # grey levels, root mean square: less is rounding
_BALANCED = 0.6  # between the two pictures' noise
_FAINT, _UNEVEN = 0.4, 0.4  # the same, where the noise of one exposure is fainter: it got less or more light
_UNRELATED, _RELATED = 0.25, 0.6  # correlation
_NOTHING_IN_COMMON = 0.08
_SAME_SCALE = 0.003
_EXACT, _SHIFTED = 0.08, 0.1  # pixels
_ROUNDED = 0.25  # pixels: programs scale by slightly different rules
_TURNED = 0.01  # of the side: more is no trace of a turn
_UNCERTAIN = 0.2  # pixels: a transform that may be off by more tells nothing

Size = tuple[int, int]  # width, height


@dataclass(frozen=True, slots=True)
class Noise:
    """The finest structure where both pictures are flattest."""

    correlation: float  # -1 to 1
    first: float  # grey levels, root mean square
    second: float

    @property
    def is_unrelated(self) -> bool:
        """Both have noise, and each its own: two exposures."""
        low, high = sorted((self.first, self.second))
        clearly = low >= _VISIBLE and low >= _BALANCED * high and self.correlation < _UNRELATED
        return clearly or (low >= _FAINT and low >= _UNEVEN * high and self.correlation < _NOTHING_IN_COMMON)

    @property
    def is_related(self) -> bool:
        """Both have the same noise: one exposure."""
        return self.correlation >= _RELATED


def noise(laid: Overlay) -> Noise:
    """Measure the noise of two pictures on one grid."""
    shown = cv2.erode(laid.shared, np.ones((9, 9), np.uint8), borderValue=0) > 0
    if shown.sum() < 1000:
        return Noise(0.0, 0.0, 0.0)
    first, first_middle = _bands(laid.first)
    second, second_middle = _bands(laid.second)
    window = (_FLAT_WINDOW, _FLAT_WINDOW)
    uneven = np.maximum(
        *(
            energy / max(float(np.median(energy[shown])), 1e-6)
            for energy in (cv2.blur(middle * middle, window) for middle in (first_middle, second_middle))
        )
    )
    flat = shown & (uneven <= np.percentile(uneven[shown], _FLATTEST))
    a, b = first[flat], second[flat]
    product = float((a * a).mean()) * float((b * b).mean())
    correlation = float((a * b).mean()) / max(product**0.5, 1e-6)
    # How much there is shows in the pictures as they are: the blend of blurs changes it in one of them.
    seen = ((plane - cv2.GaussianBlur(plane, (0, 0), _FINE))[flat] for plane in (laid.first_seen, laid.second_seen))
    strengths = [float((plane * plane).mean()) ** 0.5 for plane in seen]
    return Noise(correlation, strengths[0], strengths[1])


def _bands(picture: Plane) -> tuple[Plane, Plane]:
    soft = cv2.GaussianBlur(picture, (0, 0), _FINE)
    return picture - soft, soft - cv2.GaussianBlur(picture, (0, 0), _MIDDLE)


class Placement(StrEnum):
    """How one picture lies in another, to a fraction of a pixel."""

    EXACT = "exact"  # pixel upon pixel, or the whole picture scaled: as editors do
    SHIFTED = "shifted"  # by a fraction of a pixel, or turned by a trace: as cameras do between two exposures
    OTHER = "other"  # scaled and cut, or turned: tells nothing


def placement(
    to_second: Transform, place: tuple[int, int, int, int], first: Size, second: Size, uncertain: float
) -> Placement:
    """Tell how a second picture lies upon a first, judged by the corners of a place (left, top, right, bottom).

    `to_second` takes pixels of the first to those of the second, in full size, and may be off by `uncertain` pixels;
    sizes are (width, height).
    """
    scale = float(np.sqrt(abs(np.linalg.det(to_second[:2, :2]))))
    turn = np.rint(to_second[:2, :2] / scale)  # by quarters
    if abs(np.linalg.det(turn)) != 1 or uncertain > _UNCERTAIN:
        return Placement.OTHER
    corners = np.array([(x, y) for x in place[::2] for y in place[1::2]], float).T
    there = to_second[:2, :2] @ corners + to_second[:2, 2:]
    upright = second if turn[0, 0] else second[::-1]
    if abs(scale - 1) < _SAME_SCALE:
        away = there - turn @ corners
        middle = away.mean(axis=1, keepdims=True)
        if float(np.abs(away - np.rint(middle)).max()) < _EXACT + uncertain:
            return Placement.EXACT
        off = float(np.linalg.norm(middle - np.rint(middle)))
        side = max(place[2] - place[0], place[3] - place[1])
        turned = float(np.abs(away - middle).max()) > _TURNED * side  # by a person, and resampled
        shifted = upright == first and not turned and off > _SHIFTED + uncertain
        return Placement.SHIFTED if shifted else Placement.OTHER
    middles = [(np.array([size], float).T - 1) / 2 for size in (first, second)]
    factors = np.array([upright], float).T / np.array([first], float).T
    resized = middles[1] + turn @ (factors * (corners - middles[0]))
    exact = float(np.abs(there - resized).max()) < (_EXACT + uncertain) * max(1.0, scale) + _ROUNDED
    return Placement.EXACT if exact else Placement.OTHER
