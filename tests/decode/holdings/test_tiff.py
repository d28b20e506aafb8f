"""Pages, depth and damage of TIFF files, and of the camera RAW files that are built like them."""

import io
import struct

import numpy as np
import pytest
from encoded_photos import saved
from photos import scene
from PIL import Image
from raw_photos import dng

from retrieval.decode.holdings.record import CUT_OFF, EMBEDDED_RAW, LAYERS
from retrieval.decode.holdings.tiff import raw_holdings, tiff_holdings


def pages(count: int, **save: object) -> bytes:
    return saved("TIFF", save_all=True, append_images=[scene(seed) for seed in range(2, 1 + count)], **save)


def with_tags(tags: dict[int, object]) -> bytes:
    return saved("TIFF", tiffinfo=tags)


def test_a_smaller_version_of_a_page_is_no_page() -> None:
    buffer = io.BytesIO()
    small = scene(1, (48, 32))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    scene(1).save(buffer, "TIFF", save_all=True, append_images=[small])
    assert tiff_holdings(buffer.getvalue()).pages == 1


@pytest.mark.parametrize("big", [False, True])
def test_each_page_is_one(big: bool) -> None:
    found = tiff_holdings(pages(5, big_tiff=big))
    assert (found.pages, found.is_animated, found.damage) == (5, False, None)


@pytest.mark.parametrize(
    ("compression", "lossless"), [("raw", True), ("tiff_lzw", True), ("tiff_adobe_deflate", True), ("jpeg", False)]
)
def test_only_jpeg_inside_loses_anything(compression: str, lossless: bool) -> None:
    found = tiff_holdings(saved("TIFF", compression=compression))
    assert (found.is_lossless, found.damage) == (lossless, None)


def test_one_lossy_page_of_many_counts() -> None:
    first, second = scene(1), scene(2)
    second.encoderinfo = {"compression": "jpeg"}
    buffer = io.BytesIO()
    first.save(buffer, "TIFF", save_all=True, append_images=[second])
    assert tiff_holdings(buffer.getvalue()).pages == 2
    assert not tiff_holdings(buffer.getvalue()).is_lossless


def test_a_mask_is_no_page() -> None:
    mask = scene(1).convert("L")
    mask.encoderinfo = {"tiffinfo": {254: 4, 262: 4}}
    buffer = io.BytesIO()
    scene(1).save(buffer, "TIFF", save_all=True, append_images=[mask])
    assert tiff_holdings(buffer.getvalue()).pages == 1


def test_layers_are_something_of_worth() -> None:
    assert tiff_holdings(with_tags({37724: b"Adobe Photoshop Document Data Block\0"})).extras == {LAYERS}
    assert tiff_holdings(with_tags({})).extras == frozenset()


@pytest.mark.parametrize(
    ("mode", "bits", "grey"), [("1", 1, True), ("L", 8, True), ("I;16", 16, True), ("RGB", 8, False)]
)
def test_depth_and_grey(mode: str, bits: int, grey: bool) -> None:
    image = scene(1).convert("L").convert("I").convert("I;16") if mode == "I;16" else scene(1).convert(mode)
    found = tiff_holdings(saved("TIFF", image))
    assert (found.bits, found.is_grey, found.may_be_transparent) == (bits, grey, False)


@pytest.mark.parametrize(("mode", "transparent"), [("RGBA", True), ("LA", True), ("RGBX", False), ("CMYK", False)])
def test_only_alpha_among_further_channels_is_transparent(mode: str, transparent: bool) -> None:
    image = scene(1).convert("LA" if mode == "LA" else mode)
    assert tiff_holdings(saved("TIFF", image)).may_be_transparent is transparent


def test_a_file_is_cut_off_wherever_it_ends_early() -> None:
    """But where nothing is missing that says what the picture is: in the values of a page's last tags."""
    data = pages(3)
    assert tiff_holdings(data).damage is None
    ends = [place for place in range(4, len(data)) if tiff_holdings(data[:place]).damage is None]
    image = Image.open(io.BytesIO(data))
    image.seek(2)
    assert all(tiff_holdings(data[:place]).pages == 3 for place in ends)
    assert len(ends) == 0 or min(ends) > image.tag_v2[273][0]


def test_a_file_that_ends_behind_its_first_page_misses_the_others() -> None:
    data = pages(2)
    first = Image.open(io.BytesIO(data))
    end = first.tag_v2[273][-1] + first.tag_v2[279][-1]
    first.seek(1)
    assert end < first.tag_v2[273][0]
    found = tiff_holdings(data[:end])
    assert (found.pages, found.damage) == (1, CUT_OFF)


def test_a_chain_of_pages_that_loops_is_no_damage() -> None:
    data = bytearray(saved("TIFF"))
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * count, first)
    found = tiff_holdings(bytes(data))
    assert found.damage is None


def test_raw_files_hold_more_than_any_picture_made_of_them() -> None:
    rgb = np.asarray(scene(1))
    for data in (dng(rgb), dng(rgb, preview=saved("JPEG"))):
        found = raw_holdings(data)
        assert (found.is_raw, found.bits, found.pages, found.is_lossless) == (True, 16, 1, True)
        assert found.colours.is_wide
        assert (found.extras, found.damage) == (frozenset(), None)


def test_a_raw_without_its_sensors_last_rows_is_cut_off() -> None:
    """The preview alone would be whole."""
    data = dng(np.asarray(scene(1)), preview=saved("JPEG"))
    grown = bytearray(data)
    place = data.index(struct.pack("<HHI", 279, 4, 1), data.index(struct.pack("<HHIHH", 262, 3, 1, 32803, 0)))
    struct.pack_into("<I", grown, place + 8, len(data))  # the sensor's data would go on beyond the file
    assert raw_holdings(bytes(grown)).damage == CUT_OFF


def test_a_raw_that_keeps_the_file_it_was_converted_from() -> None:
    data = bytearray(dng(np.asarray(scene(1))))
    place = data.index(struct.pack("<HH", 50778, 3))  # the calibration's light, which nothing here needs
    struct.pack_into("<HHI", data, place, 50828, 7, 4)
    assert raw_holdings(bytes(data)).extras == {EMBEDDED_RAW}


@pytest.mark.parametrize("data", [b"", b"II*\0", b"MM\0*\0\0\0\x08\0\0", b"II*\0\xff\xff\xff\xff"])
def test_a_file_without_directories_is_cut_off(data: bytes) -> None:
    assert tiff_holdings(data).damage == CUT_OFF
    assert raw_holdings(data).is_raw
