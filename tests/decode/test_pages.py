"""All pages and frames in their full depth."""

import io
import zlib

import cv2
import numpy as np
import pillow_heif
import pytest
from exif_blocks import SHORT, block
from photos import scene
from PIL import Image

from retrieval.decode.holdings.read import read_holdings
from retrieval.decode.pages import Page, read_pages
from retrieval.errors import PhotoError


def saved(form: str, image: Image.Image | None = None, **save: object) -> bytes:
    buffer = io.BytesIO()
    (image or scene(1)).save(buffer, form, **save)
    return buffer.getvalue()


def pages(data: bytes, name: str = "photo", max_pixels: int = 10**6) -> list[Page]:
    return list(read_pages(data, name, read_holdings(data, name), max_pixels))


def deep(channels: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 65536, (40, 60, channels), dtype=np.uint16)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_come_whole(suffix: str, channels: int) -> None:
    pixels = deep(channels)
    (page,) = pages(bytes(cv2.imencode(suffix, pixels)[1]))
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]  # OpenCV writes blue first
    assert page.colours == {1: "grey", 3: "RGB", 4: "RGBA"}[channels]
    assert np.array_equal(page.pixels, pixels[:, :, order])


def test_several_pages_of_sixteen_bits() -> None:
    both = [deep(3), deep(3)[::-1].copy()]
    data = bytes(cv2.imencodemulti(".tif", both)[1])
    found = pages(data)
    assert all(np.array_equal(page.pixels, pixels[:, :, ::-1]) for page, pixels in zip(found, both, strict=True))


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP"])
def test_frames_and_how_long_they_are_shown(form: str) -> None:
    data = saved(form, save_all=True, append_images=[scene(2), scene(3)], duration=[100, 200, 300], lossless=True)
    found = pages(data)
    assert [page.duration_ms for page in found] == [100, 200, 300]
    assert len({page.pixels.tobytes() for page in found}) == 3


def test_pages_of_different_kinds() -> None:
    found = pages(saved("TIFF", save_all=True, append_images=[scene(2, (30, 20)).convert("L")]))
    assert [(page.colours, page.pixels.shape) for page in found] == [("RGB", (64, 96, 3)), ("grey", (20, 30, 1))]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_pictures_are_turned_like_others(orientation: int) -> None:
    image = scene(1)
    exif = Image.Exif()
    exif[274] = orientation
    plain = pages(saved("PNG", image, exif=exif))
    wide = np.asarray(image)[:, :, ::-1].astype(np.uint16) * 256 + 7
    data = bytes(cv2.imencode(".png", wide)[1])
    head = b"eXIf" + block({274: (SHORT, (orientation,))})
    chunk = (len(head) - 4).to_bytes(4, "big") + head + zlib.crc32(head).to_bytes(4, "big")
    turned = read_pages(data[:33] + chunk + data[33:], "photo.png", read_holdings(data))
    (page,) = turned
    assert np.array_equal(page.pixels // 256, plain[0].pixels)


def test_ten_bits_of_a_heic() -> None:
    pixels = np.random.default_rng(1).integers(0, 65536, (64, 64, 3), dtype=np.uint16).astype("<u2")
    buffer = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", (64, 64), pixels.tobytes()).save(buffer, quality=-1)
    (page,) = pages(buffer.getvalue())
    assert page.pixels.dtype == np.uint16
    assert (page.pixels % 256).any()


def test_limits_and_damage() -> None:
    with pytest.raises(PhotoError, match="over the limit"):
        pages(saved("PNG"), max_pixels=100)
    with pytest.raises(PhotoError):
        pages(saved("PNG")[:-200])
    with pytest.raises(PhotoError, match="sensor"):
        pages(saved("TIFF"), "shot.dng")


def test_two_gigapixels_of_frames_are_too_many() -> None:
    data = saved("GIF", Image.new("L", (2000, 2000)), save_all=True, append_images=[scene(2)])
    holdings = read_holdings(data)
    many = type(holdings)(pages=501, is_animated=True)
    with pytest.raises(PhotoError, match="501 frames"):
        list(read_pages(data, "photo.gif", many))
