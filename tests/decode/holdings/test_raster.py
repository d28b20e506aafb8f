"""Frames, depth, colours and damage of PNG, GIF, WebP, Photoshop, JPEG 2000 and bitmap files."""

import io
import struct
import zlib

import numpy as np
import pytest
from colour_profiles import ADOBE_RGB, DISPLAY_P3, profile
from encoded_photos import saved
from photos import scene
from PIL import Image

from retrieval.decode.holdings.raster import (
    bitmap_holdings,
    gif_holdings,
    jpeg_2000_holdings,
    photoshop_holdings,
    png_holdings,
    webp_holdings,
)
from retrieval.decode.holdings.record import CUT_OFF, LAYERS


def cut_out(seed: int = 1) -> Image.Image:
    """A scene whose alpha channel is noise."""
    image = scene(seed, (200, 150)).convert("RGBA")
    image.putalpha(Image.fromarray(np.random.default_rng(seed).integers(0, 255, (150, 200), dtype=np.uint8)))
    return image


# PNG


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunks(*chunks: bytes) -> bytes:
    data = saved("PNG")
    return data[:33] + b"".join(chunks) + data[33:]


def test_a_png_with_a_wrong_checksum() -> None:
    data = bytearray(saved("PNG"))
    data[data.index(b"IDAT") + 40] ^= 1
    assert png_holdings(bytes(data)).damage == "damaged: a checksum is wrong"


def test_a_png_with_a_wrong_checksum_of_what_no_decoder_needs_is_whole() -> None:
    text = bytearray(chunk(b"tEXt", b"Title\0a bird"))
    text[-1] ^= 1
    assert png_holdings(with_chunks(bytes(text))).damage is None


def test_a_png_whose_damage_stands_before_its_missing_end_is_damaged() -> None:
    data = bytearray(saved("PNG"))
    data[data.index(b"IDAT") + 40] ^= 1
    assert png_holdings(bytes(data[:-12])).damage is not None


@pytest.mark.parametrize("save", [{}, {"save_all": True, "append_images": [scene(2), scene(3)]}])
def test_a_png_is_cut_off_wherever_it_ends_early(save: dict[str, object]) -> None:
    data = saved("PNG", **save)
    assert png_holdings(data).damage is None
    assert {png_holdings(data[:end]).damage for end in range(8, len(data))} == {CUT_OFF}


def test_what_follows_a_png_is_counted() -> None:
    assert png_holdings(saved("PNG") + bytes(5) + b"abc" + bytes(9)).unknown_bytes == 3


CICP_P3, CICP_SRGB = chunk(b"cICP", bytes((12, 13, 0, 1))), chunk(b"cICP", bytes((1, 13, 0, 1)))
P3 = chunk(b"iCCP", b"P3\0\0" + zlib.compress(profile(DISPLAY_P3, "Display P3")))
SRGB = chunk(b"sRGB", b"\0")
WIDE = chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 73470, 26530, 11000, 83000, 15700, 1800))  # ProPhoto, or nearly
LINEAR = chunk(b"gAMA", struct.pack(">I", 100_000))


@pytest.mark.parametrize(
    ("chunks", "wide", "name"),
    [
        ([CICP_P3], True, "P3"),
        ([CICP_SRGB, P3], False, "sRGB"),  # the newest chunk is believed first
        ([P3, SRGB], True, "Display P3"),
        ([SRGB, WIDE, LINEAR], False, "sRGB"),
        ([WIDE, LINEAR], True, "primaries of its own"),
        ([LINEAR], False, "gamma 1.00"),
        ([chunk(b"gAMA", struct.pack(">I", 45_455))], False, "sRGB"),
        ([chunk(b"gAMA", bytes(4))], False, "sRGB"),
        ([chunk(b"iCCP", b"broken\0\0no zlib")], False, "sRGB"),
        ([chunk(b"cHRM", b"short")], False, "sRGB"),
    ],
)
def test_of_chunks_that_differ_png_believes_one(chunks: list[bytes], wide: bool, name: str) -> None:
    found = png_holdings(with_chunks(*chunks)).colours
    assert (found.is_wide, found.name) == (wide, name)


@pytest.mark.parametrize(
    ("mode", "bits", "transparent", "grey"),
    [("1", 1, False, True), ("LA", 8, True, True), ("P", 8, False, False), ("I;16", 16, False, True)],
)
def test_types_of_png(mode: str, bits: int, transparent: bool, grey: bool) -> None:
    image = scene(1).convert("L").convert("I").convert("I;16") if mode == "I;16" else scene(1).convert(mode)
    found = png_holdings(saved("PNG", image))
    assert (found.bits, found.may_be_transparent, found.is_grey) == (bits, transparent, grey)


def test_frames_without_animation_control_are_none() -> None:
    assert png_holdings(with_chunks(chunk(b"fcTL", bytes(26)), chunk(b"fcTL", bytes(26)))).pages == 1


# GIF


@pytest.mark.parametrize("count", [1, 3])
def test_a_gif_is_cut_off_wherever_it_ends_early(count: int) -> None:
    data = saved("GIF", save_all=True, append_images=[scene(seed) for seed in range(2, 1 + count)], comment=b"; 0x3B")
    found = gif_holdings(data)
    assert (found.pages, found.is_animated, found.damage) == (count, count > 1, None)
    assert {gif_holdings(data[:end]).damage for end in range(6, len(data))} == {CUT_OFF}


def test_only_a_transparent_colour_that_is_declared_counts() -> None:
    paletted = scene(1).quantize(16)
    assert gif_holdings(saved("GIF", paletted, transparency=3)).may_be_transparent
    assert not gif_holdings(saved("GIF", paletted, duration=100)).may_be_transparent


# WebP


def test_a_webp_is_cut_off_wherever_it_ends_early() -> None:
    for data in (saved("WEBP"), saved("WEBP", cut_out(), save_all=True, append_images=[cut_out(2)])):
        assert webp_holdings(data).damage is None
        assert {webp_holdings(data[:end]).damage for end in range(12, len(data), 7)} == {CUT_OFF}


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("alpha", [True, False])
def test_a_webp_is_lossless_if_every_frame_is(lossless: bool, frames: int, alpha: bool) -> None:
    """The alpha channel of a lossy frame stands before its picture, and may be long."""
    pictures = [cut_out(seed) if alpha else scene(seed) for seed in range(1, 1 + frames)]
    data = saved("WEBP", pictures[0], save_all=True, append_images=pictures[1:], lossless=lossless, quality=50)
    found = webp_holdings(data)
    assert (found.is_lossless, found.pages, found.may_be_transparent) == (lossless, frames, alpha)


def test_alpha_of_a_plain_lossless_webp_is_in_its_picture() -> None:
    image = scene(1).convert("RGBA")
    image.putpixel((3, 3), (0, 0, 0, 0))
    data = saved("WEBP", image, lossless=True)
    assert data[12:16] == b"VP8L"
    assert webp_holdings(data).may_be_transparent
    assert not webp_holdings(saved("WEBP", lossless=True)).may_be_transparent


def test_what_follows_a_webp_is_counted() -> None:
    assert webp_holdings(saved("WEBP") + b"abc").unknown_bytes == 3


# Photoshop


def photoshop(
    packed: bool = False, channels: int = 3, mode: int = 3, bits: int = 8, layers: bytes = b"", resources: bytes = b""
) -> bytes:
    """A file of 6 x 4 pixels, as the format's specification lays it out."""
    width, height = 6, 4
    section = struct.pack(">I", 4 + len(layers)) + struct.pack(">I", len(layers)) + layers if layers else bytes(4)
    rows = np.random.default_rng(0).integers(0, 255, (height * channels, width * bits // 8), dtype=np.uint8)
    if packed:
        lines = [bytes((row.nbytes - 1,)) + row.tobytes() for row in rows]  # runs of other bytes
        picture = b"\0\1" + b"".join(struct.pack(">H", len(line)) for line in lines) + b"".join(lines)
    else:
        picture = b"\0\0" + rows.tobytes()
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, channels, height, width, bits, mode) + bytes(4)
    return head + struct.pack(">I", len(resources)) + resources + section + picture


@pytest.mark.parametrize("packed", [True, False])
def test_a_photoshop_file_is_cut_off_wherever_it_ends_early(packed: bool) -> None:
    data = photoshop(packed, layers=bytes(20))
    image = Image.open(io.BytesIO(data))
    image.load()
    assert image.size == (6, 4)
    assert photoshop_holdings(data).damage is None
    assert {photoshop_holdings(data[:end]).damage for end in range(4, len(data))} == {CUT_OFF}


def test_layers_depth_and_channels_of_a_photoshop_file() -> None:
    assert photoshop_holdings(photoshop(layers=bytes(20))).extras == {LAYERS}
    plain = photoshop_holdings(photoshop())
    assert (plain.extras, plain.bits, plain.is_grey, plain.may_be_transparent) == (frozenset(), 8, False, False)
    assert photoshop_holdings(photoshop(bits=16)).bits == 16
    assert photoshop_holdings(photoshop(channels=4)).may_be_transparent
    inks = photoshop_holdings(photoshop(channels=4, mode=4))
    assert (inks.colours.name, inks.may_be_transparent) == ("CMYK", False)
    assert photoshop_holdings(photoshop(channels=1, mode=1)).is_grey


def test_the_profile_of_a_photoshop_file() -> None:
    body = profile(ADOBE_RGB, "Adobe RGB")
    resource = b"8BIM" + struct.pack(">HH", 1039, 0) + struct.pack(">I", len(body)) + body + b"\0" * (len(body) % 2)
    assert photoshop_holdings(photoshop(resources=resource)).colours.name == "Adobe RGB"


# JPEG 2000


@pytest.mark.parametrize(("irreversible", "lossless"), [(False, True), (True, False)])
def test_a_jpeg_2000_is_lossless_by_its_wavelets(irreversible: bool, lossless: bool) -> None:
    assert jpeg_2000_holdings(saved("JPEG2000", irreversible=irreversible)).is_lossless is lossless


@pytest.mark.parametrize("no_jp2", [True, False])
def test_a_jpeg_2000_is_cut_off_wherever_it_ends_early(no_jp2: bool) -> None:
    data = saved("JPEG2000", no_jp2=no_jp2)
    assert (data[4:8] != b"jP  ") == no_jp2
    assert jpeg_2000_holdings(data).damage is None
    assert {jpeg_2000_holdings(data[:end]).damage for end in range(12, len(data))} == {CUT_OFF}


@pytest.mark.parametrize(
    ("mode", "transparent", "grey"),
    [("L", False, True), ("LA", True, True), ("RGB", False, False), ("RGBA", True, False)],
)
def test_components_of_a_jpeg_2000(mode: str, transparent: bool, grey: bool) -> None:
    found = jpeg_2000_holdings(saved("JPEG2000", scene(1).convert(mode)))
    assert (found.may_be_transparent, found.is_grey, found.bits) == (transparent, grey, 8)


# Bitmaps


def os2_bitmap() -> bytes:
    """With the header of OS/2 1.x, whose sizes have two bytes."""
    data = saved("BMP")
    width, height = scene(1).size
    header = struct.pack("<IHHHH", 12, width, height, 1, 24)
    return b"BM" + struct.pack("<IHHI", 26 + len(data) - 54, 0, 0, 26) + header + data[54:]


def packed_bitmap() -> bytes:
    """Run-length encoded: 4 rows of 6 pixels of one colour."""
    runs = b"\6\1\0\0" * 4 + b"\0\1"
    palette = bytes(range(8))
    header = struct.pack("<IiiHHIIiiII", 40, 6, 4, 1, 8, 1, len(runs), 0, 0, 2, 2)
    offset = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(runs), 0, 0, offset) + header + palette + runs


@pytest.mark.parametrize("data", [saved("BMP"), saved("BMP", scene(1).convert("1")), os2_bitmap(), packed_bitmap()])
def test_a_bitmap_is_cut_off_wherever_it_ends_early(data: bytes) -> None:
    Image.open(io.BytesIO(data)).load()
    assert bitmap_holdings(data).damage is None
    assert {bitmap_holdings(data[:end]).damage for end in range(2, len(data))} == {CUT_OFF}


def test_a_bitmap_that_stands_on_its_head_is_whole() -> None:
    data = bytearray(saved("BMP"))
    struct.pack_into("<i", data, 22, -64)
    assert bitmap_holdings(bytes(data)).damage is None
    assert bitmap_holdings(bytes(data[:-1])).damage == CUT_OFF
