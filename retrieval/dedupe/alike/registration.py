"""Lays one picture upon another to a fraction of a pixel, starting from a rough alignment.

Hundreds of points are tracked (Lucas and Kanade 1981, pyramidal as Bouguet's) between contrast-normalised pictures,
so that brightness, contrast and a colour cast do not move them, and one affine transform is fitted to those that agree.
A subject that moved, a watermark or a caption is outvoted.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retrieval.dedupe.alike.features import Border, Grey

Transform = NDArray[np.float64]  # (3, 3): takes (x, y, 1) of one picture to those of another
Mask = NDArray[np.uint8]  # (height, width): 1 or 0

_POINTS = 300
_MIN_POINTS = 12
_WINDOW = (15, 15)  # pixels around a point
_TOLERANCES = (2.0, 0.8)  # pixels, round by round
_LEVELS = (3, 1)  # halvings of the picture: the first round may be far off
_AGREES = 0.5  # pixels between a point and where it comes back to
_SPREAD = 8.0  # pixels: contrast is normalised within about so many
_FLOOR = 9.0  # grey levels squared: less contrast than this is not amplified
_SETTLED = 0.05  # pixels: another round would change nothing


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """Where the points of a reference lie in another picture."""

    transform: Transform
    points: int  # that were tracked; 0: the transform is the rough one it began with
    error: float  # pixels: median distance of those that agree; infinite where nothing could be tracked

    @property
    def uncertain(self) -> float:
        """By how many pixels the transform may be off."""
        return float(0.02 + 6 * self.error / np.sqrt(max(1, self.points)))


def register(reference: Grey, other: Grey, start: Transform, inside: Mask) -> Registration:
    """Refine `start`, which takes places of the reference to places of the other.

    Both pictures show the scene at about the same scale; `inside` (of the other's shape) is 0 where the other has a
    border.
    """
    found = Registration(start, 0, float("inf"))
    target = _normalised(reference)
    for tolerance, levels in zip(_TOLERANCES, _LEVELS, strict=True):
        step = _round(target, other, found.transform, inside, tolerance, levels)
        if step is None:
            return found
        correction, points, error = step
        found = Registration(found.transform @ correction, points, error)
        if _largest_move(correction, reference.shape) < _SETTLED:
            break
    return found


def warped(picture: Grey, transform: Transform, shape: tuple[int, int], interpolation: int) -> Grey:
    """The picture as seen from the reference (height, width); its edge is drawn out beyond it."""
    height, width = shape
    flags = interpolation | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(picture, transform[:2], (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    )


def warped_mask(mask: Mask, transform: Transform, shape: tuple[int, int]) -> Mask:
    """The mask as seen from the reference (height, width); 0 beyond it."""
    height, width = shape
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(mask, transform[:2], (width, height), flags=flags), dtype=np.uint8)


def within(shape: tuple[int, int], border: Border) -> Mask:
    """A mask (height, width) of what lies inside a border."""
    top, bottom, left, right = border
    inside = np.zeros(shape, np.uint8)
    inside[top : shape[0] - bottom, left : shape[1] - right] = 1
    return inside


def smoothed(picture: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """A wide Gaussian blur at a quarter of the size: exact enough for what changes slowly, and many times faster."""
    height, width = picture.shape
    small = cv2.resize(picture, (-(-width // 4), -(-height // 4)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / 4), (width, height)), dtype=np.float32)


def _normalised(picture: Grey) -> Grey:
    values = picture.astype(np.float32)
    values -= smoothed(values, _SPREAD)
    contrast = np.sqrt(smoothed(values * values, _SPREAD) + _FLOOR)
    return np.asarray(np.clip(128 + 40 * values / contrast, 0, 255), dtype=np.uint8)


def _round(
    target: Grey, other: Grey, transform: Transform, inside: Mask, tolerance: float, levels: int
) -> tuple[Transform, int, float] | None:
    """One correction of the transform, the number of points that were tracked, and their median error."""
    shape = (target.shape[0], target.shape[1])
    laid = _normalised(warped(other, transform, shape, cv2.INTER_LINEAR))
    mask = cv2.erode(warped_mask(inside, transform, shape), np.ones((9, 9), np.uint8), borderValue=0)
    apart = max(5, shape[1] // 55)
    corners = cv2.goodFeaturesToTrack(target, _POINTS, 0.01, apart, mask=mask, blockSize=5)
    if corners is None or len(corners) < _MIN_POINTS:
        return None
    points = np.asarray(corners, dtype=np.float32)
    there, found = _tracked(target, laid, points, levels)
    back, returned = _tracked(laid, target, there, levels)
    good = found & returned & (np.abs(back - points).reshape(-1, 2).max(axis=1) < _AGREES)
    if good.sum() < _MIN_POINTS:
        return None
    return _fitted(points[good].reshape(-1, 2), there[good].reshape(-1, 2), tolerance)


def _tracked(
    before: Grey, after: Grey, points: NDArray[np.float32], levels: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Where points (n, 1, 2) of one picture lie in another, and which were found."""
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 20, 0.01)
    guess = np.zeros_like(points)
    there, found, _ = cv2.calcOpticalFlowPyrLK(
        before, after, points, guess, winSize=_WINDOW, maxLevel=levels, criteria=criteria
    )
    return np.asarray(there, dtype=np.float32), found[:, 0] > 0


def _fitted(a: NDArray[np.float32], b: NDArray[np.float32], tolerance: float) -> tuple[Transform, int, float] | None:
    """The affine transform from points a to b that most agree on, refined by all, each weighed by its own error."""
    rough, inliers = cv2.estimateAffine2D(a, b, method=cv2.RANSAC, ransacReprojThreshold=tolerance, maxIters=1000)
    if rough is None or inliers.sum() < _MIN_POINTS:
        return None
    known = np.column_stack([a.astype(np.float64), np.ones(len(a))])
    weights = inliers[:, 0].astype(np.float64)
    error = np.zeros(len(a))
    fitted = rough.T
    for _ in range(4):
        weighed = known * weights[:, None]
        fitted = np.linalg.solve(known.T @ weighed + 1e-9 * np.eye(3), weighed.T @ b.astype(np.float64))
        error = np.linalg.norm(known @ fitted - b, axis=1)
        scale = max(0.1, 1.5 * float(np.median(error[inliers[:, 0] > 0])))
        weights = (error < 3 * tolerance) / (1 + (error / scale) ** 2)
    transform = np.vstack([fitted.T, [0, 0, 1]])
    return transform, len(a), float(np.median(error[error < 3 * tolerance]))


def _largest_move(correction: Transform, shape: tuple[int, ...]) -> float:
    """How far a correction moves a corner of the picture, in pixels."""
    corners = np.array([(x, y, 1) for x in (0, shape[1]) for y in (0, shape[0])], np.float64).T
    return float(np.linalg.norm((correction @ corners - corners)[:2], axis=0).max())
