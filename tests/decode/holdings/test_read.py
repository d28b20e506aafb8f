"""What files of every format hold, by their structure."""

import io
import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from colour_profiles import DISPLAY_P3, profile
from hypothesis import given, settings
from hypothesis import strategies as st
from photos import scene
from PIL import Image
from raw_photos import dng

from retrieval.decode.holdings.read import read_holdings
from retrieval.decode.holdings.record import AUDIO, CUT_OFF, DEPTH_MAP, GAIN_MAP, INCOMPLETE, VIDEO, Holdings

MP4 = struct.pack(">I", 24) + b"ftypmp42" + bytes(12) + struct.pack(">I", 40) + b"mdat" + bytes(range(32))


def saved(form: str, image: Image.Image | None = None, **save: object) -> bytes:
    buffer = io.BytesIO()
    (image or scene(1)).save(buffer, form, **save)
    return buffer.getvalue()


def deep(suffix: str, channels: int = 3) -> bytes:
    """A picture with 16 bits of a channel."""
    pixels = np.random.default_rng(1).integers(0, 65536, (64, 96, channels), dtype=np.uint16)
    return bytes(cv2.imencode(suffix, pixels)[1])


def frames(form: str, count: int = 3) -> bytes:
    return saved(form, save_all=True, append_images=[scene(seed) for seed in range(2, 1 + count)], duration=100)


def heic(**save: object) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(scene(1)).save(buffer, **save)
    return buffer.getvalue()


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


def test_pictures_of_a_heic() -> None:
    buffer = io.BytesIO()
    file = pillow_heif.HeifFile()
    for seed in (1, 2, 3):
        file.add_from_pillow(scene(seed))
    file.save(buffer)
    assert read_holdings(buffer.getvalue()).pages == 3


def test_a_smaller_version_of_a_page_is_no_page() -> None:
    buffer = io.BytesIO()
    small = scene(1, (48, 32))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    scene(1).save(buffer, "TIFF", save_all=True, append_images=[small])
    assert read_holdings(buffer.getvalue()).pages == 1


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jp2"])
def test_sixteen_bits(suffix: str) -> None:
    assert read_holdings(deep(suffix)).bits == 16


def test_ten_bits_of_heic_and_avif() -> None:
    pixels = np.random.default_rng(1).integers(0, 65536, (64, 64, 3), dtype=np.uint16).astype("<u2")
    buffer = io.BytesIO()
    image = pillow_heif.from_bytes("RGB;16", (64, 64), pixels.tobytes())
    image.save(buffer)
    assert read_holdings(buffer.getvalue()).bits == 10


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


def test_wide_colours_of_a_heic() -> None:
    image = scene(1)
    image.info["icc_profile"] = profile(DISPLAY_P3, "Display P3")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer)
    assert read_holdings(buffer.getvalue()).colours.name == "Display P3"


def test_cmyk() -> None:
    for form in ("JPEG", "TIFF"):
        assert read_holdings(saved(form, scene(1).convert("CMYK"))).colours.name == "CMYK"


def test_a_motion_photo_holds_a_video() -> None:
    found = read_holdings(saved("JPEG") + MP4)
    assert (found.extras, found.pages, found.damage) == ({VIDEO}, 1, None)
    assert read_holdings(heic() + MP4).extras == {VIDEO}
    assert read_holdings(heic() + struct.pack(">I4s", 8 + len(MP4), b"mpvd") + MP4).extras == {VIDEO}


def test_a_sound_behind_a_picture() -> None:
    wave = b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt " + bytes(24)
    assert read_holdings(saved("JPEG") + wave).extras == {AUDIO}


def with_maps(*maps: bytes, kind: int = 0) -> bytes:
    """A JPEG that lists further ones in Multi-Picture Format."""
    primary = saved("JPEG")
    entries = bytes(16)
    segment_size = 2 + 4 + 8 + 2 + 12 + 4 + 16 * (1 + len(maps))
    offset = 2 + 2 + segment_size + len(primary) - 2 - (2 + 2 + 2 + 4)
    for one in maps:
        entries += struct.pack("<IIIHH", kind, len(one), offset, 0, 0)
        offset += len(one)
    directory = struct.pack("<H", 1) + struct.pack("<HHII", 0xB002, 7, len(entries), 8 + 18) + bytes(4)
    segment = b"MPF\0" + b"II*\0" + struct.pack("<I", 8) + directory + entries
    return primary[:2] + b"\xff\xe2" + struct.pack(">H", 2 + len(segment)) + segment + primary[2:] + b"".join(maps)


@pytest.mark.parametrize(
    ("xmp", "extra"),
    [
        (b'<rdf:Description hdrgm:Version="1.0"/>', GAIN_MAP),
        (b"<x>urn:com:apple:photo:2020:aux:hdrgainmap</x>", GAIN_MAP),
        (b"<x>urn:com:apple:photo:2018:aux:disparity</x>", DEPTH_MAP),
    ],
)
def test_maps_behind_a_picture(xmp: bytes, extra: str) -> None:
    found = read_holdings(with_maps(saved("JPEG", scene(1, (48, 32)), xmp=xmp)))
    assert (found.extras, found.pages, found.unknown_bytes) == ({extra}, 1, 0)


def test_previews_behind_a_picture_are_nothing_new() -> None:
    small = saved("JPEG", scene(1, (24, 16)))
    assert read_holdings(with_maps(small, kind=0x010001)) == Holdings()
    assert read_holdings(saved("JPEG") + bytes(20) + small) == Holdings()


def test_another_picture_behind_one_is_a_page() -> None:
    assert read_holdings(with_maps(saved("JPEG", scene(2)))).pages == 2
    assert read_holdings(saved("JPEG") + saved("JPEG", scene(2))).pages == 2


def test_what_the_memory_of_a_camera_held_is_counted_but_nothing_of_worth() -> None:
    found = read_holdings(saved("JPEG") + bytes(range(1, 100)) + bytes(100))
    assert (found.extras, found.pages, found.unknown_bytes) == (frozenset(), 1, 99)


@pytest.mark.parametrize("form", [form for form in PLAIN if form not in ("PPM", "TGA", "BMP")])
def test_files_that_are_cut_off(form: str) -> None:
    data = PLAIN[form]()
    assert read_holdings(data[: len(data) * 2 // 3]).damage == CUT_OFF
    assert read_holdings(data[:-4]).damage == CUT_OFF


def test_a_jpeg_that_lost_scans_and_was_ended_properly() -> None:
    data = saved("JPEG", progressive=True)
    last_scan = data.rindex(b"\xff\xda")
    assert read_holdings(data[:last_scan] + b"\xff\xd9").damage == INCOMPLETE
    assert read_holdings(data).damage is None


def test_a_png_with_a_wrong_checksum() -> None:
    data = bytearray(saved("PNG"))
    data[data.index(b"IDAT") + 40] ^= 1
    assert read_holdings(bytes(data)).damage == "damaged: a checksum is wrong"


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
