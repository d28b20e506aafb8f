"""Local features of a thumbnail: points that are found again after cropping, turning and scaling (SIFT, Lowe 2004).

Mirroring needs no second look at the picture: the descriptor of a mirrored patch is the patch's own, rearranged.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

POINTS = 150  # the strongest of a picture; a thumbnail has about as many
_CONTRAST = 0.01  # OpenCV's default of 0.04 leaves soft backgrounds without a single point
_EDGE = 15.0
_CELLS, _BINS = 4, 8  # a descriptor is 4 x 4 cells of 8 directions
WIDTH = _CELLS * _CELLS * _BINS

_EVEN = 6.0  # grey levels: a line of pixels that varies less belongs to a border
_MAX_BORDER = 0.2  # of the side

Grey = NDArray[np.uint8]  # (height, width)
Border = tuple[int, int, int, int]  # pixels at the top, at the bottom, on the left, on the right


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """The points of one picture; n is at most POINTS, and can be 0."""

    picture: Grey | bytes  # what they were found in, as it is or as a JPEG
    points: NDArray[np.float32]  # (n, 4): x, y in pixels, diameter in pixels, direction in degrees
    descriptors: NDArray[np.uint8]  # (n, 128)
    border: Border  # of one shade, around the picture
    jpeg_shape: tuple[int, int] = (0, 0)

    @property
    def grey(self) -> Grey:
        """The picture (height, width)."""
        return grey_of(self.picture) if isinstance(self.picture, bytes) else self.picture

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the picture."""
        return self.jpeg_shape if isinstance(self.picture, bytes) else (self.picture.shape[0], self.picture.shape[1])

    def __len__(self) -> int:
        """The number of points."""
        return len(self.points)


def extract(grey: Grey, limit: int = POINTS) -> Features:
    """Find the `limit` strongest points of a grey picture (height, width)."""
    # Without a precise upscale, all points lie a quarter of a pixel off, and those of the mirror image half a pixel.
    detector = cv2.SIFT.create(limit, contrastThreshold=_CONTRAST, edgeThreshold=_EDGE, enable_precise_upscale=True)
    found, descriptors = detector.detectAndCompute(grey, None)
    if not found:
        return Features(grey, np.zeros((0, 4), np.float32), np.zeros((0, WIDTH), np.uint8), border(grey))
    points = np.array([(*point.pt, point.size, point.angle) for point in found[:limit]], np.float32)
    return Features(grey, points, descriptors[:limit].astype(np.uint8), border(grey))


def of_thumbnail(thumbnail: bytes) -> Features:
    """Find the points of a JPEG, and keep that instead of its pixels, which are wanted again in few cases."""
    grey = grey_of(thumbnail)
    return replace(extract(grey), picture=thumbnail, jpeg_shape=(grey.shape[0], grey.shape[1]))


def grey_of(jpeg: bytes) -> Grey:
    """Decode a JPEG to grey (height, width)."""
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE), dtype=np.uint8)


def mirrored(features: Features) -> Features:
    """The features that the mirrored picture has."""
    points = features.points.copy()
    points[:, 0] = features.shape[1] - 1 - points[:, 0]
    points[:, 3] = (180 - points[:, 3]) % 360
    top, bottom, left, right = features.border
    grey = np.ascontiguousarray(features.grey[:, ::-1])
    return Features(grey, points, features.descriptors[:, MIRROR], (top, bottom, right, left))


def border(grey: Grey) -> Border:
    """How wide a frame of one shade a picture has."""
    return _even_lines(grey), _even_lines(grey[::-1]), _even_lines(grey.T), _even_lines(grey.T[::-1])


def unframed(grey: Grey, frame: Border) -> Grey:
    """The picture with its outermost pixels drawn out over its border, whose edge would outweigh all else."""
    if not any(frame):
        return grey
    height, width = grey.shape
    top, bottom, left, right = frame
    inner = grey[top : height - bottom, left : width - right]
    return np.asarray(cv2.copyMakeBorder(inner, top, bottom, left, right, cv2.BORDER_REPLICATE), dtype=np.uint8)


def _even_lines(lines: Grey) -> int:
    """How many lines from the first on are of the first one's shade all along."""
    limit, shade = int(_MAX_BORDER * len(lines)), lines[0].mean()
    for number, line in enumerate(lines[:limit]):
        if line.std() >= _EVEN or abs(line.mean() - shade) >= _EVEN:
            return number + (number > 0)  # where it ends, shades run into each other
    return limit


def _mirror_order() -> NDArray[np.intp]:
    """Where each value of a mirrored descriptor is found in the original: rows of cells and directions turn round."""
    order = np.arange(WIDTH).reshape(_CELLS, _CELLS, _BINS)
    return order[::-1][:, :, -np.arange(_BINS) % _BINS].reshape(-1)


MIRROR = _mirror_order()


def rooted(descriptors: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Descriptors (n, 128) as unit vectors whose dot product is the Hellinger kernel (RootSIFT, Arandjelovic 2012)."""
    values = descriptors.astype(np.float32)
    unit: NDArray[np.float32] = np.sqrt(values / np.maximum(values.sum(axis=1, keepdims=True), 1))
    return unit
