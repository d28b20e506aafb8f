"""What a JPEG holds beside its picture: colours, and what phones put behind it: pictures, maps, videos, sounds."""

import struct

import pytest
from colour_profiles import DISPLAY_P3, profile
from encoded_photos import saved
from exif_blocks import SHORT, TEXT
from photos import scene
from raw_photos import Layout

from retrieval.decode.holdings.jpeg import jpeg_holdings
from retrieval.decode.holdings.record import (
    AUDIO,
    CUT_OFF,
    DEPTH_MAP,
    EMBEDDED_RAW,
    GAIN_MAP,
    INCOMPLETE,
    MATTE,
    VIDEO,
    Holdings,
)

MP4 = struct.pack(">I", 24) + b"ftypmp42" + bytes(12) + struct.pack(">I", 40) + b"mdat" + bytes(range(32))


def test_a_motion_photo_holds_a_video() -> None:
    found = jpeg_holdings(saved("JPEG") + MP4)
    assert (found.extras, found.pages, found.damage) == ({VIDEO}, 1, None)


def test_a_sound_behind_a_picture() -> None:
    wave = b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt " + bytes(24)
    assert jpeg_holdings(saved("JPEG") + wave).extras == {AUDIO}


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
    found = jpeg_holdings(with_maps(saved("JPEG", scene(1, (48, 32)), xmp=xmp)))
    assert (found.extras, found.pages, found.unknown_bytes) == ({extra}, 1, 0)


def test_previews_behind_a_picture_are_nothing_new() -> None:
    small = saved("JPEG", scene(1, (24, 16)))
    assert jpeg_holdings(with_maps(small, kind=0x010001)) == Holdings()
    assert jpeg_holdings(saved("JPEG") + bytes(20) + small) == Holdings()


def test_another_picture_behind_one_is_a_page() -> None:
    assert jpeg_holdings(with_maps(saved("JPEG", scene(2)))).pages == 2
    assert jpeg_holdings(saved("JPEG") + saved("JPEG", scene(2))).pages == 2


def test_what_the_memory_of_a_camera_held_is_counted_but_nothing_of_worth() -> None:
    found = jpeg_holdings(saved("JPEG") + bytes(range(1, 100)) + bytes(100))
    assert (found.extras, found.pages, found.unknown_bytes) == (frozenset(), 1, 99)


def test_a_jpeg_that_lost_scans_and_was_ended_properly() -> None:
    data = saved("JPEG", progressive=True)
    last_scan = data.rindex(b"\xff\xda")
    assert jpeg_holdings(data[:last_scan] + b"\xff\xd9").damage == INCOMPLETE
    assert jpeg_holdings(data).damage is None


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_is_cut_off_wherever_it_ends_early(progressive: bool) -> None:
    data = saved("JPEG", progressive=progressive, icc_profile=profile(DISPLAY_P3), xmp=b"\xff\xd9 is no end here")
    assert jpeg_holdings(data).damage is None
    assert {jpeg_holdings(data[:end]).damage for end in range(3, len(data))} == {CUT_OFF}


def test_bytes_behind_a_cut_off_picture_are_nothing() -> None:
    """A video cannot be told from the rest of the picture there."""
    data = saved("JPEG")[:-400] + MP4
    found = jpeg_holdings(data)
    assert (found.damage, found.extras, found.unknown_bytes) == (CUT_OFF, frozenset(), 0)


def segment(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, kind, 2 + len(body)) + body


def with_segment(kind: int, body: bytes) -> bytes:
    data = saved("JPEG")
    return data[:2] + segment(kind, body) + data[2:]


@pytest.mark.parametrize(
    ("name", "extra"), [("GDepth:Data", DEPTH_MAP), ("GAudio:Data", AUDIO), ("GImage:Data", MATTE), ("dc:title", None)]
)
def test_what_early_phones_kept_in_extended_xmp(name: str, extra: str | None) -> None:
    body = b"http://ns.adobe.com/xmp/extension/\0" + bytes(40) + f'<x {name}="AAAA"/>'.encode()
    assert jpeg_holdings(with_segment(0xE1, body)).extras == ({extra} if extra else set())


@pytest.mark.parametrize(
    ("block", "extra"),
    [
        (b"MotionPhoto_Data", VIDEO),
        (b"SoundShot_000", AUDIO),
        (b"DualShot_DepthMap_1", DEPTH_MAP),
        (b"BRCMo", EMBEDDED_RAW),
    ],
)
def test_blocks_that_phones_name(block: bytes, extra: str) -> None:
    found = jpeg_holdings(saved("JPEG") + bytes(4) + block + bytes(range(64)) + b"SEFT")
    assert (found.extras, found.unknown_bytes, found.pages) == ({extra}, 0, 1)


def test_a_list_of_blocks_without_any_of_worth_is_known() -> None:
    assert jpeg_holdings(saved("JPEG") + b"Image_UTC_Data1600000000000" + b"SEFT") == Holdings()


@pytest.mark.parametrize(("colour_space", "name"), [(2, "Adobe RGB"), (0xFFFF, "Adobe RGB"), (1, "sRGB")])
def test_cameras_tell_adobe_rgb_by_the_name_of_their_files_alone(colour_space: int, name: str) -> None:
    layout = Layout()
    interoperability = layout.directory({1: (TEXT, "R03")})
    details = layout.directory({0xA001: (SHORT, (colour_space,)), 0xA005: ("long", (interoperability,))})
    block = layout.file(layout.directory({0x8769: ("long", (details,))}))
    found = jpeg_holdings(with_segment(0xE1, b"Exif\0\0" + block))
    assert found.colours.name == name
    with_profile = saved("JPEG", exif=b"Exif\0\0" + block, icc_profile=profile(DISPLAY_P3, "Display P3"))
    assert jpeg_holdings(with_profile).colours.name == "Display P3"  # says more than a name


def test_a_picture_behind_a_map_is_a_page_too() -> None:
    """Listed ones, and one that nothing lists, behind some zeros."""
    gain = saved("JPEG", scene(1, (48, 32)), xmp=b'<x hdrgm:Version="1.0"/>')
    data = with_maps(gain, saved("JPEG", scene(2)), saved("JPEG", scene(3))) + bytes(700) + saved("JPEG", scene(4))
    found = jpeg_holdings(data)
    assert (found.pages, found.extras, found.unknown_bytes) == (4, {GAIN_MAP}, 0)
