"""Reads which items an HEIC, HEIF or AVIF file holds, their properties and how they refer to each other.

Layout by ISO/IEC 23008-12 and 14496-12. Nothing here raises on broken bytes: what makes no sense is left out.
"""

import contextlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from retrieval.decode.signatures import boxes

_BRANDS = frozenset(
    (
        b"heic",
        b"heix",
        b"heim",
        b"heis",
        b"hevc",
        b"hevx",
        b"hevm",
        b"hevs",
        b"mif1",
        b"mif2",
        b"msf1",
        b"avif",
        b"avis",
    )
)
_MAX_BODY = 64_000_000  # bytes of one item that are put together: metadata, not pixels


@dataclass(slots=True)
class Item:
    """One item: a picture, a tile of one, or metadata."""

    number: int
    kind: bytes  # "hvc1", "av01", "grid", "Exif", "mime", ...
    content_type: bytes = b""
    hidden: bool = False
    extents: tuple[tuple[int, int], ...] = ()  # offset and length in the file, or in `idat`
    in_idat: bool = False
    properties: list[tuple[bytes, bytes]] = field(default_factory=list)  # type and body of each

    def property(self, kind: bytes) -> bytes | None:
        """The body of the first property of a kind."""
        return next((body for name, body in self.properties if name == kind), None)


@dataclass(slots=True)
class HeifFile:
    """The items of a file and the references between them."""

    data: bytes
    primary: int | None = None
    items: dict[int, Item] = field(default_factory=dict)
    references: list[tuple[bytes, int, tuple[int, ...]]] = field(default_factory=list)  # type, from, to
    tops: tuple[tuple[bytes, int, int], ...] = ()  # the boxes of the file: type, start and end of the body
    idat: tuple[int, int] = (0, 0)

    def body(self, item: Item) -> bytes:
        """The bytes of an item, put together from its extents; empty where they lie outside the file."""
        start = self.idat[0] if item.in_idat else 0
        parts = [self.data[start + offset : start + offset + length] for offset, length in item.extents]
        if sum(length for _, length in item.extents) > _MAX_BODY:
            return b""
        return b"".join(parts)


def is_iso_media(data: bytes) -> bool:
    """Whether the first box announces HEIC, HEIF or AVIF among its brands."""
    if data[4:8] != b"ftyp":
        return False
    stop = min(int.from_bytes(data[:4], "big"), 256, len(data))
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, stop - 3, 4))}
    return not brands.isdisjoint(_BRANDS)


def read_heif(data: bytes) -> HeifFile:
    """The items of the file; none where it has no list of them."""
    heif = HeifFile(data, tops=tuple(boxes(data, 0, len(data))))
    for kind, start, stop in heif.tops:
        if kind == b"meta":
            with contextlib.suppress(struct.error, IndexError):  # cut off: what was read so far has to do
                _read_meta(heif, start + 4, min(stop, len(data)))
            break
    return heif


def _read_meta(heif: HeifFile, start: int, stop: int) -> None:
    parts = {kind: (at, min(end, stop)) for kind, at, end in boxes(heif.data, start, stop)}
    heif.idat = parts.get(b"idat", (0, 0))
    if b"iinf" in parts:
        for item in _items(heif.data, *parts[b"iinf"]):
            heif.items[item.number] = item
    if b"pitm" in parts:
        at = parts[b"pitm"][0]
        heif.primary = _unsigned(heif.data, at + 4, 4 if heif.data[at] else 2)
    if b"iloc" in parts:
        _read_locations(heif, parts[b"iloc"][0])
    if b"iref" in parts:
        heif.references = list(_references(heif.data, *parts[b"iref"]))
    if b"iprp" in parts:
        _read_properties(heif, *parts[b"iprp"])


def _items(data: bytes, start: int, stop: int) -> Iterator[Item]:
    first = start + 4 + (4 if data[start] else 2)
    for kind, at, end in boxes(data, first, stop):
        version = data[at]
        if kind != b"infe" or version < 2:
            continue
        width = 2 if version == 2 else 4
        place = at + 4 + width + 2
        name, _, rest = data[place + 4 : min(end, stop)].partition(b"\0")
        del name
        yield Item(
            number=_unsigned(data, at + 4, width),
            kind=data[place : place + 4],
            content_type=rest.partition(b"\0")[0],
            hidden=bool(data[at + 3] & 1),
        )


def _read_locations(heif: HeifFile, at: int) -> None:
    data, version = heif.data, heif.data[at]
    sizes, more = data[at + 4], data[at + 5]
    offset_size, length_size, base_size, index_size = sizes >> 4, sizes & 15, more >> 4, more & 15
    wide = 4 if version == 2 else 2
    count = _unsigned(data, at + 6, wide)
    at += 6 + wide
    for _ in range(count):
        number = _unsigned(data, at, wide)
        at += wide
        method = 0
        if version:
            method = _unsigned(data, at, 2) & 15
            at += 2
        base = _unsigned(data, at + 2, base_size)
        extents = _unsigned(data, at + 2 + base_size, 2)
        at += 4 + base_size
        index = index_size if version else 0
        step = index + offset_size + length_size
        places = [at + step * which + index for which in range(extents if step else 0)]
        at += step * extents
        if at > len(data):
            return
        if number in heif.items and method <= 1:
            found = ((_unsigned(data, p, offset_size), _unsigned(data, p + offset_size, length_size)) for p in places)
            heif.items[number].extents = tuple((base + offset, length) for offset, length in found)
            heif.items[number].in_idat = method == 1


def _references(data: bytes, start: int, stop: int) -> Iterator[tuple[bytes, int, tuple[int, ...]]]:
    width = 4 if data[start] else 2
    for kind, at, _ in boxes(data, start + 4, stop):
        count = _unsigned(data, at + width, 2)
        targets = tuple(_unsigned(data, at + width + 2 + width * which, width) for which in range(count))
        yield kind, _unsigned(data, at, width), targets


def _read_properties(heif: HeifFile, start: int, stop: int) -> None:
    data = heif.data
    known: list[tuple[bytes, bytes]] = []
    for kind, at, end in boxes(data, start, stop):
        if kind == b"ipco":
            known = [(name, data[a:b]) for name, a, b in boxes(data, at, min(end, stop))]
    for kind, at, _ in boxes(data, start, stop):
        if kind != b"ipma":
            continue
        width = 2 if data[at] == 0 else 4
        long = data[at + 3] & 1
        count, at = _unsigned(data, at + 4, 4), at + 8
        for _ in range(count):
            number, entries = _unsigned(data, at, width), data[at + width]
            at += width + 1
            for _ in range(entries):
                index = (_unsigned(data, at, 2) & 0x7FFF) if long else data[at] & 0x7F
                at += 2 if long else 1
                if number in heif.items and 0 < index <= len(known):
                    heif.items[number].properties.append(known[index - 1])


def _unsigned(data: bytes, at: int, width: int) -> int:
    if at + width > len(data):
        raise struct.error("beyond the end")
    return int.from_bytes(data[at : at + width], "big")
