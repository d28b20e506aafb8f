"""A digest by which two files show the same picture to the last bit: pages, depth, alpha, colours, turned upright."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from retrieval.decode import picture
from retrieval.decode.colour_spaces import SRGB
from retrieval.decode.holdings.jpeg_structure import read_jpeg
from retrieval.decode.holdings.read import read_holdings
from retrieval.decode.holdings.record import Holdings
from retrieval.decode.pages import Page, read_pages
from retrieval.decode.picture import MAX_PIXELS
from retrieval.decode.raw import open_raw
from retrieval.errors import PhotoError

_STRIP = 1 << 22  # values that are looked at together
_STEP = 257  # of a 16-bit value to the next that 8 bits hold as well
_JPEG = b"\xff\xd8\xff"


def picture_digest(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> bytes | None:
    """A digest of 32 bytes, equal for two files exactly if they show the same to the last bit.

    All pages and frames count, upright, in their full depth, with alpha unless it is opaque throughout. How a file
    stores that does not: palettes are resolved, grey equals RGB of three equal channels, 16 bits that say no more than
    8 equal those 8. Numbers in a colour space of their own differ from the same numbers without a profile; all profiles
    of sRGB equal none. How long an animation shows each frame counts: at another pace it is another animation. Of a RAW
    the sensor's values count. What a container holds besides (videos, maps, layers) must be the same bytes.

    None where the file is damaged, is too large, or cannot be decoded in its full depth.
    """
    holdings = read_holdings(data, name)
    if holdings.damage:
        return None
    try:
        return _of_raw(data, max_pixels) if holdings.is_raw else _of_pages(data, name, holdings, max_pixels)
    except (PhotoError, MemoryError):
        return None


def _of_pages(data: bytes, name: str, holdings: Holdings, max_pixels: int) -> bytes:
    colours = "" if holdings.colours == SRGB else f"{holdings.colours.name} {holdings.colours.digest}"
    digest = hashlib.sha256(f"pages {colours} ".encode() + _attached(data, holdings))
    shown = replace(holdings, pages=1) if data.startswith(_JPEG) else holdings  # its other pages are attached
    for page in read_pages(data, name, shown, max_pixels):
        colours, pixels = _plain(page)
        height, width = pixels.shape[:2]
        head = f"{colours} {width} x {height} {pixels.dtype.name} {page.duration_ms} ms "
        digest.update(head.encode())
        for strip in _strips(pixels):
            digest.update(_bytes(strip))
    return digest.digest()


def _of_raw(data: bytes, max_pixels: int) -> bytes:
    with open_raw(data) as raw:
        picture.check_pixels(*raw.sensor_size, max_pixels)
        with picture.decoding.take(raw.sensor_size[0] * raw.sensor_size[1]):
            values = raw.sensor_values()
            digest = hashlib.sha256(f"RAW {raw.size} {raw.orientation} {values.shape} {values.dtype.name} ".encode())
            for strip in _strips(values):
                digest.update(_bytes(strip))
    return digest.digest()


def _attached(data: bytes, holdings: Holdings) -> bytes:
    """What stands for the other contents of the container: nothing, the bytes behind a JPEG, or the whole file."""
    if data.startswith(_JPEG):
        end = read_jpeg(data).end if holdings.extras or holdings.pages > 1 else None
        return hashlib.sha256(data[end:]).digest() if end else b""
    return hashlib.sha256(data).digest() if holdings.extras else b""


def _plain(page: Page) -> tuple[str, NDArray[np.generic]]:
    """The same picture in the fewest channels and bits that hold it, and what the channels are."""
    colours, pixels = page.colours, page.pixels
    opaque = 255 if pixels.dtype == np.uint8 else 65535
    if colours == "RGBA" and all((strip[:, :, 3] == opaque).all() for strip in _strips(pixels)):
        colours, pixels = "RGB", pixels[:, :, :3]
    if colours == "RGB" and all((strip == strip[:, :, :1]).all() for strip in _strips(pixels)):
        colours, pixels = "grey", pixels[:, :, :1]
    if pixels.dtype == np.int32 and all(strip.min() >= 0 and strip.max() < 1 << 16 for strip in _strips(pixels)):
        pixels = pixels.astype(np.uint16)
    if pixels.dtype == np.uint16 and not any((strip % _STEP).any() for strip in _strips(pixels)):
        pixels = (pixels // _STEP).astype(np.uint8)
    return colours, pixels


def _bytes(pixels: NDArray[np.generic]) -> bytes:
    """The values one after the other, the same on every machine."""
    return pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()


def _strips(pixels: NDArray[np.generic]) -> Iterator[NDArray[np.generic]]:
    """The rows, several at a time."""
    rows = max(1, _STRIP // max(1, pixels[0].size))
    return (pixels[top : top + rows] for top in range(0, len(pixels), rows))
