"""Reads directories of tags as TIFF, EXIF and most maker notes lay them out; what a tag means is left to others.

Nothing here raises on broken bytes: what lies outside the data, or makes no sense, is left out.
"""

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

_MAX_ENTRIES = 4096  # more is no directory
_MAX_BYTES = 16_000_000  # of one tag: colour profiles have megabytes, pixels are not kept in tags
_CODES = {
    1: "B",
    2: "B",
    3: "H",
    4: "I",
    6: "b",
    7: "B",
    8: "h",
    9: "i",
    11: "f",
    12: "d",
    13: "I",
    16: "Q",
    17: "q",
    18: "Q",
}
_RATIONALS = {5: "I", 10: "i"}


class Entry(NamedTuple):
    """Where the value of one tag lies in the data."""

    kind: int  # TIFF's field type
    values: int  # how many
    at: int
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Directory:
    """The tags of one directory, by number."""

    data: bytes
    order: str  # "<" or ">", as struct writes it
    entries: Mapping[int, Entry]
    start: int = 0  # where offsets in it count from
    next: int = 0  # offset of the next directory, 0 where there is none
    big: bool = False  # BigTIFF, whose offsets have 8 bytes
    is_whole: bool = True  # the data do not end within it

    def raw(self, tag: int) -> bytes:
        """The bytes of a tag; none where it is missing."""
        entry = self.entries.get(tag)
        return self.data[entry.at : entry.at + entry.size] if entry else b""

    def numbers(self, tag: int) -> tuple[float, ...]:
        """The numbers of a tag, integers as such; none where it is missing, no number, or divided by zero."""
        entry = self.entries.get(tag)
        if entry is None:
            return ()
        raw = self.raw(tag)
        if code := _RATIONALS.get(entry.kind):
            parts = struct.unpack(f"{self.order}{2 * entry.values}{code}", raw)
            pairs = list(zip(parts[::2], parts[1::2], strict=True))
            return tuple(above / below for above, below in pairs) if all(below for _, below in pairs) else ()
        values = struct.unpack(f"{self.order}{entry.values}{_CODES[entry.kind]}", raw)
        return values if all(math.isfinite(value) for value in values) else ()

    def number(self, tag: int) -> float | None:
        """The first number of a tag."""
        return next(iter(self.numbers(tag)), None)

    def integer(self, tag: int) -> int | None:
        """The first number of a tag where that is an integer."""
        value = self.number(tag)
        return value if isinstance(value, int) else None

    def inside(self, tag: int) -> "Directory":
        """The directory that a tag points to; an empty one where there is none."""
        offset = self.integer(tag)
        if offset is None:
            return Directory(self.data, self.order, {})
        return read_directory(self.data, self.start + offset, self.order, start=self.start, big=self.big)


EMPTY = Directory(b"", "<", {})


def open_tiff(data: bytes, start: int = 0) -> Directory:
    """The first directory of a TIFF-like file or block at `start`, whatever its magic number: makers have their own."""
    order = {b"II": "<", b"MM": ">"}.get(data[start : start + 2])
    if order is None or len(data) < start + 8:
        return EMPTY
    big = data[start + 2 : start + 4] in (b"+\0", b"\0+") and len(data) >= start + 16
    (offset,) = struct.unpack_from(f"{order}Q" if big else f"{order}I", data, start + (8 if big else 4))
    return read_directory(data, start + offset, order, start=start, big=big)


def directories(first: Directory) -> Iterator[Directory]:
    """A directory and those that follow it in its chain: the pages of a TIFF file. A chain that loops ends there."""
    seen: set[int] = set()
    directory = first
    while directory.entries:
        yield directory
        if not directory.next or directory.next in seen:
            return
        seen.add(directory.next)
        at = directory.start + directory.next
        directory = read_directory(directory.data, at, directory.order, start=directory.start, big=directory.big)


def read_directory(data: bytes, at: int, order: str, *, start: int = 0, big: bool = False) -> Directory:
    """The directory whose number of entries stands at `at`, with offsets that count from `start`."""
    count_code, entry_code, size, inline = ("Q", "HHQ", 20, 8) if big else ("H", "HHI", 12, 4)
    entries: dict[int, Entry] = {}
    following, is_whole = 0, True
    try:
        (count,) = struct.unpack_from(order + count_code, data, at)
        first = at + struct.calcsize(count_code)
        if not 0 < count <= _MAX_ENTRIES:
            return Directory(data, order, {}, start, 0, big)
        for place in range(first, first + size * count, size):
            tag, kind, values = struct.unpack_from(order + entry_code, data, place)
            entry = _entry(data, order, (kind, values), place + size - inline, inline, start)
            if entry is not None and tag not in entries:
                entries[tag] = entry
        (following,) = struct.unpack_from(order + ("Q" if big else "I"), data, first + size * count)
    except (struct.error, OverflowError):  # cut off or nonsense: what was read so far has to do
        is_whole = False
    return Directory(data, order, entries, start, following, big, is_whole)


def _entry(data: bytes, order: str, form: tuple[int, int], value_at: int, inline: int, start: int) -> Entry | None:
    kind, count = form
    width = struct.calcsize(_CODES[kind]) if kind in _CODES else 8 if kind in _RATIONALS else 0
    size = width * count
    if not 0 < size <= _MAX_BYTES:
        return None
    at = value_at
    if size > inline:
        (offset,) = struct.unpack_from(order + ("Q" if inline == 8 else "I"), data, value_at)
        at = start + offset
    return Entry(kind, count, at, size) if at >= 0 and at + size <= len(data) else None
