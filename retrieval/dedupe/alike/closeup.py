"""Looks at one place of two large pictures in full size: what smaller versions of them cannot tell.

A picture that was blown up looks sharp when it is small, and the noise that tells two exposures apart is gone then.
"""

from dataclasses import dataclass
from threading import Lock

import cv2
import numpy as np

from retrieval.dedupe.alike.overlay import Overlay, Pixels, blended, overlay
from retrieval.dedupe.alike.photo_file import PhotoFile, Picture
from retrieval.dedupe.alike.registration import Transform, smoothed, warped, warped_mask

SIDE = 768  # pixels of the first picture
_MARGIN = 24  # pixels around the place in the second
_SMALLEST = 64  # pixels that are worth a look
_WIDE, _FINE = 8.0, 1.2  # pixels: coarser than the first is light, finer than the second is detail

Place = tuple[int, int, int, int]  # left, top, right, bottom

_whole = Lock()  # one picture at a time: a large one has hundreds of megabytes


@dataclass(frozen=True, slots=True, eq=False)
class CloseUp:
    """One place of two pictures in full size."""

    laid: Overlay
    to_second: Transform  # takes pixels of the first to pixels of the second, both in full size
    place: Place  # in the first
    pixels: tuple[Pixels, Pixels]  # of the first and of the second


def close_up(
    files: tuple[PhotoFile, PhotoFile], pictures: tuple[Picture, Picture], laid: Overlay, *, mirrored: bool
) -> CloseUp | None:
    """Lay the sharpest place of two pictures upon each other in full size; None where it is too near an edge.

    `laid` is of the pictures, the first of them mirrored, unlike its file, if `mirrored`. Raises PhotoError where one
    cannot be decoded.
    """
    first, second = pictures
    transform = _scaling(second) @ laid.to_second @ np.linalg.inv(_scaling(first))
    left, top = _sharpest(laid, first)
    place = left, top, min(left + SIDE, first.width), min(top + SIDE, first.height)
    corners = np.array([(x, y, 1) for x in place[::2] for y in place[1::2]], float).T
    there = (transform @ corners)[:2]
    low = np.maximum(np.floor(there.min(axis=1)) - _MARGIN, 0).astype(int).tolist()
    high = np.minimum(np.ceil(there.max(axis=1)) + _MARGIN, (second.width, second.height)).astype(int).tolist()
    if min(high[0] - low[0], high[1] - low[1]) < _SMALLEST:
        return None
    pixels = _cut(files[0], place, mirrored=mirrored), _cut(files[1], (*low, *high), mirrored=False)
    close = overlay(*pixels, _moved(-low[0], -low[1]) @ transform @ _moved(left, top))
    return CloseUp(close, _moved(*low) @ close.to_second @ _moved(-left, -top), place, pixels)


def own_detail(denser: Pixels, sparser: Pixels, to_sparser: Transform) -> float:
    """Share, 0 to 1, of a picture's finest structure that another with fewer pixels does not tell.

    `to_sparser` takes places of the denser picture to places of the other. Near 1 for a photo beside its smaller copy,
    even a soft photo, whose noise the copy lost; near 0 for one that was blown up: it has nothing of its own.
    """
    grey = np.asarray(cv2.cvtColor(denser, cv2.COLOR_RGB2GRAY), dtype=np.float32)
    other = np.asarray(cv2.cvtColor(sparser, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    shape = (grey.shape[0], grey.shape[1])
    told = warped(other, to_sparser, shape, cv2.INTER_CUBIC).astype(np.float32)
    shown = warped_mask(np.ones(other.shape, np.uint8), to_sparser, shape)
    inside = np.asarray(cv2.erode(shown, np.ones((9, 9), np.uint8), borderValue=0), dtype=np.uint8)
    if inside.sum() < _SMALLEST**2:
        return 1.0
    blend, _ = blended(told, smoothed(told, _WIDE), grey - smoothed(grey, _WIDE), inside)
    wanted, found = (plane - cv2.GaussianBlur(plane, (0, 0), _FINE) for plane in (grey, blend))
    left = float(((wanted - found)[inside > 0] ** 2).mean()) / max(float((wanted[inside > 0] ** 2).mean()), 1e-6)
    return float(min(1.0, left) ** 0.5)


def _sharpest(laid: Overlay, first: Picture) -> tuple[int, int]:
    """The corner of the place in the first with the finest structure, in full pixels."""
    fine = laid.first - cv2.GaussianBlur(laid.first, (0, 0), 1.2)
    energy = cv2.blur(fine * fine * laid.shared, (31, 31))
    y, x = np.unravel_index(int(np.argmax(energy)), energy.shape)
    middle = _scaling(first) @ laid.to_first @ np.array([float(x), float(y), 1.0])
    return (
        int(np.clip(middle[0] - SIDE / 2, 0, max(0, first.width - SIDE))),
        int(np.clip(middle[1] - SIDE / 2, 0, max(0, first.height - SIDE))),
    )


def _cut(file: PhotoFile, box: Place, *, mirrored: bool) -> Pixels:
    with _whole:
        image = file.whole()
        if mirrored:
            box = (image.width - box[2], box[1], image.width - box[0], box[3])
        pixels = np.asarray(image.crop(box).convert("RGB"))
    return np.ascontiguousarray(pixels[:, ::-1] if mirrored else pixels)


def _scaling(picture: Picture) -> Transform:
    """From the pixels at hand to those in full size, whose centres lie at whole numbers."""
    x, y = picture.width / picture.pixels.shape[1], picture.height / picture.pixels.shape[0]
    return np.array([[x, 0, x / 2 - 0.5], [0, y, y / 2 - 0.5], [0, 0, 1]], np.float64)


def _moved(x: float, y: float) -> Transform:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)
