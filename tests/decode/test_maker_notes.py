"""What tells shots apart in the makers' own notes."""

import math
import struct

import pytest
from exif_blocks import BYTE, LONG, SHORT, TEXT, block, jpeg, note
from hypothesis import given
from hypothesis import strategies as st
from raw_photos import Directory

from retrieval.decode.maker_notes import MakerFacts, read_maker_note
from retrieval.decode.shot_facts import read_shot_facts
from retrieval.decode.tiff_directory import open_tiff

MAKER_NOTE = 0x927C


def facts(maker_note: bytes, make: str = "Maker") -> MakerFacts:
    """The facts of a note inside an EXIF block."""
    data = block({271: (TEXT, make)}, {MAKER_NOTE: (BYTE, tuple(maker_note))})
    return read_maker_note(open_tiff(data).inside(34665), make)


def nikon(count: int, serial: str = "2021234") -> bytes:
    tags: Directory = {0x1D: (TEXT, serial), 0xA7: (LONG, (count,))}
    return b"Nikon\0\2\x11\0\0" + b"II*\0" + struct.pack("<I", 8) + note(tags, 8)


def pentax(count: int) -> bytes:
    date, time = b"\x07\xe8\x05\x0b", b"\x0c\x1e\x2d"
    hidden = count ^ int.from_bytes(date, "big") ^ (0xFFFFFFFF - int.from_bytes(time + b"\0", "big"))
    tags: Directory = {
        6: (BYTE, tuple(date)),
        7: (BYTE, tuple(time)),
        0x5D: (BYTE, tuple(hidden.to_bytes(4, "big"))),
    }
    return b"AOC\0II" + note(tags)


def test_nikons_shutter_count_and_serial() -> None:
    assert facts(nikon(12_345)) == MakerFacts(counters=frozenset({("shutter count", 12_345)}), serial="2021234")
    assert facts(nikon(4_294_965_247)).counters == frozenset()


def test_pentax_hides_its_shutter_count() -> None:
    assert facts(pentax(1001)).counters == {("shutter count", 1001)}


def test_apples_identifiers() -> None:
    content, photo = "6F1A0C1D-2F5B-4A3E-9B0A-0C8E9D7F6A51", "0B6E6D0F-93C3-4E0F-8B0A-7F3C2D1E0A99"
    tags: Directory = {0x11: (TEXT, content), 0x2B: (TEXT, photo), 0x0B: (TEXT, "the same in a whole burst")}
    found = facts(b"Apple iOS\0\0\1II" + note(tags, 14))
    assert found.identifiers == {("content identifier", content), ("photo identifier", photo)}


def test_fujifilms_numbers() -> None:
    tags: Directory = {0x10: (TEXT, "FPX 20017035"), 0x1101: (SHORT, (3,)), 0x1438: (SHORT, (0x8000 + 77,))}
    found = facts(b"FUJIFILM" + struct.pack("<I", 12) + note(tags, 12))
    assert found.counters == {("number in the burst", 3), ("image count", 77)}
    assert found.serial == "FPX 20017035"


def test_panasonics_clock() -> None:
    found = facts(b"Panasonic\0\0\0" + note({0x29: (LONG, (4_711,))}))
    assert found.counters == {("time since power-on", 4_711)}


def canon(start: int, focus_cm: int = 250) -> bytes:
    """A note of Canon's with the distance of focus, its offsets counting from `start` bytes before it."""
    shot_info = [0] * 34
    shot_info[0], shot_info[19] = 68, focus_cm
    tags: Directory = {
        4: (SHORT, tuple(shot_info)),
        8: (LONG, (1_234_567,)),
        0xC: (LONG, (3_021_001_234,)),
        0x28: (BYTE, tuple(range(16))),
    }
    return note(tags, start)


@pytest.mark.parametrize("start", [8, 500, 40_000])
def test_canons_note_is_read_wherever_an_editor_moved_it(start: int) -> None:
    found = facts(canon(start), "Canon")
    assert found.counters == {("file number", 1_234_567)}
    assert found.identifiers == {("Canon image id", bytes(range(16)).hex())}
    assert found.serial == "3021001234"
    assert found.focus_m == 2.5


def test_canon_focuses_at_infinity_and_may_not_know() -> None:
    assert facts(canon(8, 65_535), "Canon").focus_m == math.inf
    assert facts(canon(8, 0), "Canon").focus_m is None


def test_notes_of_other_makers_say_nothing() -> None:
    assert facts(b"UNKNOWN\0" + nikon(7)) == MakerFacts()
    assert facts(canon(8), "Maker") == MakerFacts()


@given(
    st.sampled_from(
        [
            b"Nikon\0\2\0\0\0II*\0",
            b"Apple iOS\0\0\1MM",
            b"FUJIFILM",
            b"Panasonic\0\0\0",
            b"AOC\0  ",
            b"PENTAX \0MM",
            b"",
        ]
    ),
    st.binary(max_size=120),
)
def test_no_note_fails(head: bytes, body: bytes) -> None:
    facts(head + body, "Canon")
    data = jpeg(block(exif={MAKER_NOTE: (BYTE, tuple(head + body) or (0,))}))
    read_shot_facts(data, "photo.jpg")
