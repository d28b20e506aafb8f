"""Reads from maker notes what tells one shot from the next: numbers that the camera counts up, identifiers, serials.

Of the notes that makers leave undocumented, this is what needs no key but the notes themselves. Layouts and numbers of
tags are those that ExifTool documents. Editors move notes without correcting the offsets in them, so offsets that count
from outside of a note are corrected where that is possible, and otherwise not followed.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from retrieval.decode.exif import clean_text
from retrieval.decode.tiff_directory import Directory, Entry, open_tiff, read_directory

_MAKER_NOTE = 0x927C
_NIKON_UNKNOWN_COUNT = 4294965247
_CANON_INFINITY = 65535
_CANON_FOCUS = ((0x0093, 20), (0x0004, 19))  # array of 16-bit numbers, the index of the focus distance in it
_MIN_ENTRY = 12


@dataclass(frozen=True, slots=True)
class MakerFacts:
    """What a maker note says of the shot; the meaning of each field stands in `shot_facts.ShotFacts`."""

    identifiers: frozenset[tuple[str, str]] = frozenset()
    counters: frozenset[tuple[str, int]] = frozenset()
    serial: str | None = None
    focus_m: float | None = None


def read_maker_note(exif: Directory, make: str) -> MakerFacts:
    """The facts in the maker note of an EXIF directory; empty ones for other makers and broken notes."""
    entry = exif.entries.get(_MAKER_NOTE)
    if entry is None:
        return MakerFacts()
    note = exif.raw(_MAKER_NOTE)
    if note.startswith(b"Nikon\0\2"):
        return _nikon(open_tiff(note, 10))
    if note.startswith(b"Apple iOS\0"):
        return _apple(read_directory(note, 14, ">" if note[12:14] == b"MM" else "<"))
    if note.startswith((b"FUJIFILM", b"GENERALE")):
        at = int.from_bytes(note[8:12], "little")
        return _fuji(read_directory(note, at, "<"))
    if note.startswith(b"Panasonic\0"):
        return _panasonic(_relocated(exif, entry, 12))
    if note.startswith(b"AOC\0"):
        return _pentax(read_directory(note, 6, _order(note[4:6], note[6:8])))
    if note.startswith(b"PENTAX \0"):
        return _pentax(read_directory(note, 10, _order(note[8:10], note[10:12])))
    if make.lower().startswith("canon"):
        return read_canon(_relocated(exif, entry, 0))
    return MakerFacts()


def read_canon(note: Directory) -> MakerFacts:
    """The facts in a directory of Canon's notes; CR3 keeps it in a block of its own."""
    unique = note.raw(0x0028)
    serial = note.integer(0x000C)
    return MakerFacts(
        identifiers=_known("Canon image id", unique.hex() if len(unique) == 16 and any(unique) else ""),
        counters=_counted("file number", note.integer(0x0008)),
        serial=str(serial) if serial else None,
        focus_m=_canon_focus(note),
    )


def _canon_focus(note: Directory) -> float | None:
    for tag, index in _CANON_FOCUS:
        array = note.numbers(tag)
        whole = len(array) > index and array[0] % 65536 == 2 * len(array)  # the first number is the length in bytes
        if whole and array[index] % 65536:
            distance = array[index] % 65536  # centimetres; the type of the array may be signed
            return math.inf if distance == _CANON_INFINITY else distance / 100
    return None


def _nikon(note: Directory) -> MakerFacts:
    count = note.integer(0x00A7)
    known = count if count != _NIKON_UNKNOWN_COUNT else None
    return MakerFacts(counters=_counted("shutter count", known), serial=clean_text(note.raw(0x001D)) or None)


def _apple(note: Directory) -> MakerFacts:
    content, photo = (clean_text(note.raw(tag)) for tag in (0x0011, 0x002B))
    return MakerFacts(identifiers=_known("content identifier", content) | _known("photo identifier", photo))


def _fuji(note: Directory) -> MakerFacts:
    count = note.integer(0x1438)
    sequence = note.integer(0x1101)
    return MakerFacts(
        counters=_counted("image count", (count or 0) & 0x7FFF) | _counted("number in the burst", sequence),
        serial=clean_text(note.raw(0x0010)) or None,
    )


def _panasonic(note: Directory) -> MakerFacts:
    return MakerFacts(
        counters=_counted("time since power-on", note.integer(0x0029))
        | _counted("number in the burst", note.integer(0x002B)),
        serial=clean_text(note.raw(0x0025)) or None,
    )


def _pentax(note: Directory) -> MakerFacts:
    """Pentax hides the shutter count behind the date and time of the shot, which stand beside it."""
    date, time, hidden = (note.raw(tag) for tag in (0x0006, 0x0007, 0x005D))
    count = None
    if len(date) == 4 and len(time) >= 3 and len(hidden) == 4:
        moment = int.from_bytes(date, "big") ^ (0xFFFFFFFF - int.from_bytes(time[:3] + b"\0", "big"))
        count = int.from_bytes(hidden, "big") ^ moment
    return MakerFacts(
        counters=_counted("shutter count", count) | _counted("frame number", note.integer(0x0029)),
        serial=clean_text(note.raw(0x0229)) or None,
    )


def _relocated(exif: Directory, entry: Entry, header: int) -> Directory:
    """A note whose offsets count from the start of the EXIF block, corrected if it was moved since it was written.

    Cameras put values right behind the directory. Where the least offset lies elsewhere, the note has moved by the
    difference; values that would lie outside of the note even so are left out.
    """
    at, stop = entry.at + header, entry.at + entry.size
    note = read_directory(exif.data, at, exif.order, start=exif.start)
    outside = list(_offsets(exif, at, stop))
    if not outside:
        return note
    behind = at + 2 + 12 * int.from_bytes(exif.data[at : at + 2], "little" if exif.order == "<" else "big") + 4
    first = exif.start + min(outside)
    if not behind <= first < stop:
        note = read_directory(exif.data, at, exif.order, start=exif.start + behind - first)
    inside = {tag: one for tag, one in note.entries.items() if at <= one.at and one.at + one.size <= stop}
    return replace(note, entries=inside)


def _offsets(exif: Directory, at: int, stop: int) -> Iterator[int]:
    """The offsets of the values that do not fit into their entries."""
    byte_order: Literal["little", "big"] = "little" if exif.order == "<" else "big"
    count = int.from_bytes(exif.data[at : at + 2], byte_order)
    for place in range(at + 2, min(at + 2 + _MIN_ENTRY * count, stop - _MIN_ENTRY), _MIN_ENTRY):
        kind = int.from_bytes(exif.data[place + 2 : place + 4], byte_order)
        values = int.from_bytes(exif.data[place + 4 : place + 8], byte_order)
        width = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8}.get(kind, 0)
        if width * values > 4:
            yield int.from_bytes(exif.data[place + 8 : place + 12], byte_order)


def _order(mark: bytes, count: bytes) -> str:
    """The byte order of a note: as marked, else the one in which the number of entries is the smaller."""
    if mark in (b"II", b"MM"):
        return "<" if mark == b"II" else ">"
    return "<" if int.from_bytes(count, "little") < int.from_bytes(count, "big") else ">"


def _known(kind: str, value: str) -> frozenset[tuple[str, str]]:
    return frozenset({(kind, value)} if value else ())


def _counted(kind: str, value: int | None) -> frozenset[tuple[str, int]]:
    """A counter, where the camera has one; zero is what others leave."""
    return frozenset({(kind, value)} if value else ())
