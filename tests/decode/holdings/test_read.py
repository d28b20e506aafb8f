"""What files of every format hold, by their structure."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from colour_profiles import DISPLAY_P3, profile
from encoded_photos import heic, saved
from hypothesis import given, settings
from hypothesis import strategies as st
from photos import scene
from raw_photos import dng

from retrieval.decode.holdings.read import read_holdings
from retrieval.decode.holdings.record import CUT_OFF, DEPTH_MAP, GAIN_MAP


def deep(suffix: str, channels: int = 3) -> bytes:
    """A picture with 16 bits of a channel."""
    pixels = np.random.default_rng(1).integers(0, 65536, (64, 96, channels), dtype=np.uint16)
    return bytes(cv2.imencode(suffix, pixels)[1])


def frames(form: str, count: int = 3) -> bytes:
    return saved(form, save_all=True, append_images=[scene(seed) for seed in range(2, 1 + count)], duration=100)


PLAIN: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: saved("JPEG"),
    "progressive JPEG": lambda: saved("JPEG", progressive=True),
    "JPEG in several scans": lambda: saved("JPEG", progressive=True, subsampling=0),
    "PNG": lambda: saved("PNG"),
    "GIF": lambda: saved("GIF"),
    "WebP": lambda: saved("WEBP"),
    "lossless WebP": lambda: saved("WEBP", lossless=True),
    "TIFF": lambda: saved("TIFF"),
    "compressed TIFF": lambda: saved("TIFF", compression="tiff_lzw"),
    "BMP": lambda: saved("BMP"),
    "JPEG 2000": lambda: saved("JPEG2000"),
    "HEIC": heic,
    "AVIF": lambda: saved("AVIF"),
    "PPM": lambda: saved("PPM"),
    "TGA": lambda: saved("TGA"),
}


@pytest.mark.parametrize("form", PLAIN)
def test_plain_pictures_hold_one_whole_picture_of_8_bits(form: str) -> None:
    found = read_holdings(PLAIN[form]())
    assert (found.pages, found.bits, found.damage, found.unknown_bytes) == (1, 8, None, 0)
    assert not (found.is_animated or found.extras or found.colours.is_wide or found.is_raw or found.is_grey)
    assert not found.may_be_transparent


@pytest.mark.parametrize(
    ("form", "lossless"),
    [("JPEG", False), ("PNG", True), ("WebP", False), ("lossless WebP", True), ("TIFF", True), ("HEIC", False)],
)
def test_lossless_containers(form: str, lossless: bool) -> None:
    assert read_holdings(PLAIN[form]()).is_lossless == lossless


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "AVIF"])
def test_animations(form: str) -> None:
    found = read_holdings(frames(form))
    assert (found.pages, found.is_animated) == (3, True)


@pytest.mark.parametrize("form", ["TIFF", "MPO"])
def test_pages(form: str) -> None:
    found = read_holdings(frames(form))
    assert (found.pages, found.is_animated) == (3, False)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jp2"])
def test_sixteen_bits(suffix: str) -> None:
    assert read_holdings(deep(suffix)).bits == 16


def test_raw() -> None:
    found = read_holdings(dng(np.asarray(scene(1)), preview=saved("JPEG")), "shot.dng")
    assert (found.is_raw, found.bits, found.damage) == (True, 16, None)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_alpha(form: str) -> None:
    cut_out = scene(1).convert("RGBA")
    cut_out.putalpha(100)
    assert read_holdings(saved(form, cut_out)).may_be_transparent


def test_transparent_colours() -> None:
    paletted = scene(1).quantize(16)
    assert read_holdings(saved("GIF", paletted, transparency=3)).may_be_transparent
    assert read_holdings(saved("PNG", paletted, transparency=3)).may_be_transparent


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "JPEG2000"])
def test_grey(form: str) -> None:
    assert read_holdings(saved(form, scene(1).convert("L"))).is_grey


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
def test_wide_colours(form: str) -> None:
    found = read_holdings(saved(form, icc_profile=profile(DISPLAY_P3, "Display P3")))
    assert (found.colours.name, found.colours.is_wide) == ("Display P3", True)


def test_cmyk() -> None:
    for form in ("JPEG", "TIFF"):
        assert read_holdings(saved(form, scene(1).convert("CMYK"))).colours.name == "CMYK"


@pytest.mark.parametrize("form", [form for form in PLAIN if form not in ("PPM", "TGA", "BMP")])
def test_files_that_are_cut_off(form: str) -> None:
    data = PLAIN[form]()
    assert read_holdings(data[: len(data) * 2 // 3]).damage == CUT_OFF
    assert read_holdings(data[:-4]).damage == CUT_OFF


@pytest.mark.parametrize("form", PLAIN)
@settings(max_examples=20)
@given(flips=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=12), length=st.integers(0, 4000))
def test_no_damage_fails(form: str, flips: list[tuple[int, int]], length: int) -> None:
    data = bytearray(PLAIN[form]())
    for place, value in flips:
        data[place % len(data)] = value
    read_holdings(bytes(data[:length]))
    read_holdings(bytes(data))


@given(
    st.sampled_from(
        [
            b"\xff\xd8\xff",
            b"\x89PNG\r\n\x1a\n",
            b"GIF89a",
            b"RIFF\0\0\0\0WEBP",
            b"8BPS",
            b"BM",
            b"II*\0",
            b"\xff\x4f\xff\x51",
            b"\0\0\0\x14ftypheic",
        ]
    ),
    st.binary(max_size=300),
)
def test_no_bytes_fail(magic: bytes, body: bytes) -> None:
    read_holdings(magic + body)


@pytest.mark.shared
def test_no_real_file_fails(shared: Path) -> None:
    found = {path.name: read_holdings(path.read_bytes(), path.name) for path in shared.joinpath("hard").rglob("*.*")}
    assert len(found) > 1000
    assert found["pug.heic"].extras == {GAIN_MAP, DEPTH_MAP}
    assert found["frame_size.mpo"].extras == {GAIN_MAP}
    assert found["bird_burst.heic"].pages == 90
    assert found["spatial_photo.heic"].pages == 2
    assert found["truncated.heic"].damage == CUT_OFF


@pytest.mark.shared
def test_real_camera_files_are_whole(shared: Path) -> None:
    for path in [*shared.joinpath("camera").iterdir(), *shared.joinpath("pictures").iterdir()]:
        found = read_holdings(path.read_bytes(), path.name)
        assert (found.damage, found.pages, found.bits, found.extras) == (None, 1, 8, frozenset()), path
