"""The structure of a JPEG file: what its header says, where its scans end, and which pictures follow."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from retrieval.decode.containers import jpeg_segments
from retrieval.decode.tiff_directory import open_tiff

_FRAMES = frozenset((*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)))
_LOSSLESS = frozenset((0xC3, 0xC7, 0xCB, 0xCF))
_PROGRESSIVE = frozenset((0xC2, 0xC6, 0xCA, 0xCE))
_START_OF_SCAN = 0xDA
# What may follow the data of a scan, in which 0xFF stands before zeros and restart markers alone.
_END, _BETWEEN_SCANS = b"\xff\xd9", (b"\xff\xc4", b"\xff\xda")
_ICC = b"ICC_PROFILE\0"
_LISTED = 0xB002  # MP Entry
_KIND = 0xFFFFFF
_THUMBNAILS = frozenset((0x010001, 0x010002, 0x010003, 0x010004, 0x010005))


class Listed(NamedTuple):
    """One picture behind the first, as Multi-Picture Format lists it."""

    kind: int
    start: int
    stop: int

    @property
    def is_preview(self) -> bool:
        """Whether it is the first picture again, smaller."""
        return self.kind in _THUMBNAILS


@dataclass(slots=True)
class JpegStructure:
    """What the segments of a JPEG say."""

    bits: int = 8
    components: int = 3
    width: int = 0
    height: int = 0
    is_lossless: bool = False
    profile: bytes = b""  # ICC
    end: int | None = None  # behind the marker that ends the picture; None where the data ends before
    misses_scans: bool = False  # the scans there are do not make up the whole picture
    headers: list[tuple[int, int, int]] = field(default_factory=list)  # segments before the first scan
    listed: tuple[Listed, ...] = ()


def read_jpeg(data: bytes, start: int = 0) -> JpegStructure:
    """The structure of the JPEG that begins at `start`."""
    found = JpegStructure()
    parts: dict[int, bytes] = {}
    frame, scan = 0, None
    for marker, at, stop in jpeg_segments(data, start):
        found.headers.append((marker, at, stop))
        if marker in _FRAMES and stop <= len(data) and stop - at >= 6:
            frame, found.is_lossless = marker, marker in _LOSSLESS
            found.bits, found.components = data[at], data[at + 5]
            found.height, found.width = (int.from_bytes(data[place : place + 2], "big") for place in (at + 1, at + 3))
        elif marker == 0xE2 and data.startswith(_ICC, at) and min(stop, len(data)) - at > 14:
            parts[data[at + 12]] = data[at + 14 : stop]
        elif marker == 0xE2 and data.startswith(b"MPF\0", at):
            found.listed = tuple(_listed(data, at + 4, stop))
        elif marker == _START_OF_SCAN:
            scan = at
    found.profile = b"".join(parts[number] for number in sorted(parts))
    if scan is not None:
        _read_scans(data, scan, found, progressive=frame in _PROGRESSIVE)
    return found


def _listed(data: bytes, start: int, stop: int) -> Iterator[Listed]:
    """The pictures behind the first; their offsets count from the start of the list's own TIFF header."""
    directory = open_tiff(data[start:stop])
    entries = directory.raw(_LISTED)
    order = "little" if directory.order == "<" else "big"
    for at in range(16, len(entries) - 15, 16):  # the first is the picture itself
        kind, size, offset = (_number(entries, at + place, order) for place in (0, 4, 8))
        if data.startswith(b"\xff\xd8", start + offset) and start + offset + size <= len(data):
            yield Listed(kind & _KIND, start + offset, start + offset + size)


def _number(data: bytes, at: int, order: str) -> int:
    return int.from_bytes(data[at : at + 4], "little" if order == "little" else "big")


def _read_scans(data: bytes, scan: int, found: JpegStructure, *, progressive: bool) -> None:
    """Find where the picture ends, and whether its scans make it up."""
    scans = _Scans(progressive)
    scans.add(data, scan)
    if not progressive and scans.are_whole(found.components):  # one scan is all there is
        end = data.find(_END, scan)
        found.end = end + 2 if end >= 0 else None
        return
    headers, found.end = _further_scans(data, scan)
    for at in headers:
        scans.add(data, at)
    found.misses_scans = found.end is not None and not scans.are_whole(found.components)


def _further_scans(data: bytes, at: int) -> tuple[list[int], int | None]:
    """The bodies of the headers of the scans behind the first, and where the picture ends; None where it does not."""
    headers: list[int] = []
    places = dict.fromkeys((_END, *_BETWEEN_SCANS), -2)  # of the next of each, -1 where no more comes
    while True:
        for mark, place in places.items():
            if place != -1 and place < at:
                places[mark] = data.find(mark, at)
        present = [place for place in places.values() if place >= 0]
        if not present:
            return headers, None
        at = min(present)
        if at == places[_END]:
            return headers, at + 2
        if data[at + 1] == _START_OF_SCAN:
            headers.append(at + 4)
            at += 4
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")


class _Scans:
    """Which coefficients of which component came, at which precision."""

    def __init__(self, progressive: bool) -> None:
        self._progressive = progressive
        self._missing: dict[int, list[int]] = {}  # bits that are still to come, of each of the 64 coefficients

    def add(self, data: bytes, at: int) -> None:
        """Note what the scan whose header's body begins at `at` brings."""
        count = data[at] if at < len(data) else 0
        tail = data[at + 1 + 2 * count : at + 4 + 2 * count]
        if len(tail) < 3:
            return
        first, last, high, low = (
            (tail[0], min(tail[1], 63), *divmod(tail[2], 16)) if self._progressive else (0, 63, 0, 0)
        )
        for place in range(at + 1, at + 1 + 2 * count, 2):
            bits = self._missing.setdefault(data[place], [99] * 64)
            for number in range(first, last + 1):
                if high in (0, bits[number]):  # what refines bits that never came brings nothing
                    bits[number] = low

    def are_whole(self, components: int) -> bool:
        return len(self._missing) >= components and not any(any(bits) for bits in self._missing.values())
