"""Reads every page and frame of a photo file in its full depth, upright, for whoever must know each bit of it.

`photo.decode` gives one 8-bit picture, which is what networks and people look at; this gives all there is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from retrieval.decode import exif, picture
from retrieval.decode.containers import read_metadata
from retrieval.decode.heif_items import is_iso_media
from retrieval.decode.holdings.record import Holdings
from retrieval.decode.photo import turn
from retrieval.decode.picture import MAX_PIXELS
from retrieval.decode.quiet import hush_pillow
from retrieval.decode.signatures import is_raw
from retrieval.decode.tiff_directory import directories, open_tiff
from retrieval.errors import PhotoError

_MAX_PIXELS_OF_ALL_FRAMES = 2_000_000_000
_ORIENTATION = 274
_REDUCED = 1  # of a TIFF directory's type: a smaller version of another
_DEEP_BY_PILLOW = frozenset(("I;16", "I;16L", "I;16B", "I;16N", "I", "F"))  # it cuts other modes to 8 bits
_AS_STORED = frozenset(("1", "L", "RGB", "RGBA", "CMYK", "LAB", *_DEEP_BY_PILLOW))


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """One page or frame, upright."""

    colours: str  # what the channels are: "grey", "RGB", "RGBA", "CMYK" or "LAB"
    pixels: NDArray[np.generic]  # (height, width, channels): uint8, uint16, int32 or float32
    duration_ms: int = 0  # how long an animation shows it


def read_pages(data: bytes, name: str, holdings: Holdings, max_pixels: int = MAX_PIXELS) -> Iterator[Page]:
    """All pages or frames that `holdings` counts, one at a time; raise PhotoError where one cannot be read whole.

    Palettes are resolved. `max_pixels` bounds the pixels of each. Not for RAW files.
    """
    hush_pillow()
    suffix = PurePath(name).suffix.lower()
    with picture.photo_errors(data):
        if is_raw(data, suffix):
            raise PhotoError("unsupported", "a RAW file holds what its sensor saw, not pages")
        image = picture.open_picture(data, suffix)
        picture.check(image, *image.size, max_pixels)
        if holdings.pages * image.width * image.height > _MAX_PIXELS_OF_ALL_FRAMES:
            raise PhotoError("too-large", f"{holdings.pages:,} frames of {image.width:,} x {image.height:,} pixels")
        if holdings.bits <= 8 or image.mode in _DEEP_BY_PILLOW:
            yield from _by_pillow(image, holdings.pages, max_pixels)
        elif is_iso_media(data):
            yield from _by_libheif(data, holdings.pages)
        else:
            yield from _by_opencv(data, image, holdings.pages)


def _by_pillow(image: ImageFile.ImageFile, pages: int, max_pixels: int) -> Iterator[Page]:
    animated = pages > 1
    frames = pages + bool(animated and image.info.get("default_image"))  # an APNG's for who cannot show the others
    for number in range(frames):
        if animated:
            image.seek(number)
        elif getattr(image, "tag_v2", {}).get(254, 0) & _REDUCED:
            raise PhotoError("unsupported", "its first page is only a preview")
        picture.check(image, *image.size, max_pixels)
        with picture.decoding.take(image.width * image.height):
            image.load()
            frame = _resolved(image)
            upright = turn(frame, exif.orientation(exif.read_exif(image)))
            duration = round(float(image.info.get("duration") or 0)) if animated else 0
            yield Page(_colours(upright.mode), _channels(np.asarray(upright)), duration)
    if animated and getattr(image, "n_frames", 1) != frames:
        raise PhotoError("unsupported", f"{pages} pages by its structure, another number by its decoder")


def _resolved(image: Image.Image) -> Image.Image:
    """Without palette, premultiplied alpha or a transparent colour."""
    if image.mode in _DEEP_BY_PILLOW and "transparency" in image.info:
        raise PhotoError("unsupported", "a transparent colour of more than 8 bits")
    if image.mode in ("La", "PA", "LA", "RGBa") or image.has_transparency_data:
        image = image.convert("LA") if image.mode == "La" else image
        return image.convert("RGBA")
    return image.convert("L") if image.mode == "1" else image if image.mode in _AS_STORED else image.convert("RGB")


def _by_libheif(data: bytes, pages: int) -> Iterator[Page]:
    """HEIC and AVIF of more than 8 bits; libheif turns them upright."""
    from pillow_heif import open_heif

    file = open_heif(data, convert_hdr_to_8bit=False)
    if len(file) != pages:
        raise PhotoError("unsupported", "a sequence of more than 8 bits")
    for one in file:
        with picture.decoding.take(one.size[0] * one.size[1]):
            mode = one.mode.partition(";")[0]
            yield Page("grey" if mode in ("I", "L") else mode, _channels(np.asarray(one)))


def _by_opencv(data: bytes, image: Image.Image, pages: int) -> Iterator[Page]:
    """PNG, TIFF and JPEG 2000 of more than 8 bits in each of several channels."""
    if image.mode not in ("RGB", "RGBA", "LA") or (pages > 1 and image.format != "TIFF"):
        raise PhotoError("unsupported", "more than 8 bits in a mode that no decoder here gives whole")
    with picture.decoding.take(image.width * image.height * pages):
        decoded = _decoded_by_opencv(data, pages)
    orientations = _orientations(data, image, pages)
    if len(decoded) != pages or len(orientations) != pages:
        raise PhotoError("damaged", "not all of its pages can be decoded")
    for pixels, orientation in zip(decoded, orientations, strict=True):
        if pixels.dtype == np.uint8:
            raise PhotoError("unsupported", "the decoder cuts it to 8 bits")
        channels = _channels(pixels)
        order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}.get(channels.shape[2])
        if order is None:
            raise PhotoError("unsupported", f"{channels.shape[2]} channels")
        yield Page({1: "grey", 3: "RGB", 4: "RGBA"}[len(order)], _turned(channels[:, :, order], orientation))


def _decoded_by_opencv(data: bytes, pages: int) -> list[NDArray[np.generic]]:
    flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    buffer = np.frombuffer(data, np.uint8)
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        if pages > 1:
            whole, found = cv2.imdecodemulti(buffer, flags)
            return list(found) if whole else []
        one = cv2.imdecode(buffer, flags)
    finally:
        cv2.utils.logging.setLogLevel(before)
    return [one] if one is not None else []


def _orientations(data: bytes, image: Image.Image, pages: int) -> list[int | None]:
    """How each page lies, as EXIF counts."""
    if image.format == "TIFF":
        return [page.integer(_ORIENTATION) for page in directories(open_tiff(data))]
    metadata = read_metadata(data).exif
    return [metadata[0].integer(_ORIENTATION) if metadata else None] * pages


def _turned(pixels: NDArray[np.generic], orientation: int | None) -> NDArray[np.generic]:
    """What `photo.turn` does, for arrays."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels[::-1] if orientation in (3, 4, 7, 8) else pixels


def _colours(mode: str) -> str:
    return "grey" if mode == "L" or mode in _DEEP_BY_PILLOW else mode


def _channels(pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    """(height, width, channels), also of grey."""
    return pixels[:, :, None] if pixels.ndim == 2 else pixels
