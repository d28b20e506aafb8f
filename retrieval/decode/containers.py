"""Walks the parts of JPEG, PNG, RIFF and Photoshop files, and finds EXIF and XMP in any photo without decoding pixels.

Nothing here raises on broken bytes: the walk ends where they make no sense.
"""

import contextlib
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from retrieval.decode.heif_items import HeifFile, is_iso_media, read_heif
from retrieval.decode.signatures import boxes
from retrieval.decode.tiff_directory import Directory, open_tiff

_EXIF = b"Exif\0\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_TAG = 700
_STAND_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))  # JPEG markers without a length
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_JP2_EXIF = b"JpgTiffExif->JP2"
_JP2_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
_TEXT_LIMIT = 4_000_000  # bytes of a compressed text: metadata, not a bomb
_SEARCHED = 1_000_000  # bytes of an unknown RAW in which the EXIF of its preview is looked for


class Metadata(NamedTuple):
    """The blocks of a file that describe the shot."""

    exif: tuple[Directory, ...]  # first directories: one, or CR3's three (main, EXIF, maker notes)
    xmp: bytes


def read_metadata(data: bytes) -> Metadata:
    """EXIF and XMP of a photo; no directories and no bytes where it has none."""
    if data[:3] == b"\xff\xd8\xff":
        return _of_jpeg(data)
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return _of_png(data)
    if data[:4] == b"RIFF":
        chunks = {kind: (start, stop) for kind, start, stop in riff_chunks(data)}
        start, stop = chunks.get(b"XMP ", (0, 0))
        return Metadata(_opened(data, chunks.get(b"EXIF")), data[start:stop])
    if data[:4] == b"8BPS":
        resources = {kind: (start, stop) for kind, start, stop in photoshop_resources(data)}
        start, stop = resources.get(1060, (0, 0))
        return Metadata(_opened(data, resources.get(1058)), data[start:stop])
    if data[4:8] == b"jP  ":
        return _of_jpeg_2000(data)
    if data[4:12] == b"ftypcrx ":
        return _of_cr3(data)
    if is_iso_media(data):
        return _of_heif(data, read_heif(data))
    main = open_tiff(data)
    if main.entries:
        return Metadata((main,), main.raw(_XMP_TAG))
    at = data.find(_EXIF, 0, _SEARCHED)  # RAWs with a layout of their own begin with a JPEG preview
    return Metadata(_opened(data, (at, len(data)) if at >= 0 else None), b"")


def jpeg_segments(data: bytes, start: int = 0) -> Iterator[tuple[int, int, int]]:
    """The segments of the JPEG at `start` up to its first scan: marker, start and end of the body."""
    at = start + 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:  # junk, which decoders skip
            at = data.find(b"\xff", at)
            if at < 0:
                return
            continue
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        if marker in _STAND_ALONE:
            at += 2
            continue
        if marker == _END_OF_IMAGE:
            return
        stop = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if stop < at + 4:
            return
        yield marker, at + 4, stop
        if marker == _START_OF_SCAN:
            return
        at = stop


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The chunks of a PNG: type, start and end of the body, which may be declared to end beyond the data."""
    at = 8
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, at + 8, at + 8 + size
        at += 12 + size


def riff_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The chunks of a WebP: type, start and end of the body, which may be declared to end beyond the data."""
    at = 12
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        yield kind, at + 8, at + 8 + size
        at += 8 + size + size % 2


def photoshop_resources(data: bytes) -> Iterator[tuple[int, int, int]]:
    """The image resources of a Photoshop file: number, start and end of the body."""
    try:
        (colours,) = struct.unpack_from(">I", data, 26)
        (size,) = struct.unpack_from(">I", data, 30 + colours)
        at, stop = 34 + colours, min(34 + colours + size, len(data))
        while at + 12 <= stop and data[at : at + 4] == b"8BIM":
            (number,) = struct.unpack_from(">H", data, at + 4)
            at += 6 + (data[at + 6] + 2) // 2 * 2  # a name, padded to an even number of bytes with its length
            (size,) = struct.unpack_from(">I", data, at)
            yield number, at + 4, at + 4 + size
            at += 4 + size + size % 2
    except (struct.error, IndexError):
        return


def _opened(data: bytes, place: tuple[int, int] | None) -> tuple[Directory, ...]:
    """The EXIF block at a place, with or without the prefix that JPEG gives it."""
    if place is None:
        return ()
    block = data[place[0] : place[1]].removeprefix(_EXIF)
    main = open_tiff(block)
    return (main,) if main.entries else ()


def _of_jpeg(data: bytes) -> Metadata:
    exif: tuple[Directory, ...] = ()
    xmp = b""
    for marker, start, stop in jpeg_segments(data):
        if marker == 0xE1 and not exif and data.startswith(_EXIF, start):
            exif = _opened(data, (start, stop))
        elif marker == 0xE1 and not xmp and data.startswith(_XMP, start):
            xmp = data[start + len(_XMP) : stop]
    return Metadata(exif, xmp)


def _of_png(data: bytes) -> Metadata:
    exif: tuple[Directory, ...] = ()
    xmp = b""
    for kind, start, stop in png_chunks(data):
        if kind == b"eXIf" and not exif:
            exif = _opened(data, (start, stop))
        elif kind in (b"zTXt", b"tEXt") and not exif and data.startswith(b"Raw profile type", start):
            exif = _raw_profile(kind, data[start:stop])
        elif kind == b"iTXt" and not xmp and data.startswith(b"XML:com.adobe.xmp\0", start):
            xmp = _international_text(data[start:stop])
    return Metadata(exif, xmp)


def _raw_profile(kind: bytes, body: bytes) -> tuple[Directory, ...]:
    """EXIF as ImageMagick used to write it into PNG: hexadecimal digits after two lines of heading."""
    keyword, _, text = body.partition(b"\0")
    if keyword not in (b"Raw profile type exif", b"Raw profile type APP1"):
        return ()
    with contextlib.suppress(ValueError, zlib.error):
        text = _inflated(text[1:]) if kind == b"zTXt" else text
        digits = b"".join(text.split()[2:])
        block = bytes.fromhex(digits.decode("ascii"))
        return _opened(block, (0, len(block)))
    return ()


def _international_text(body: bytes) -> bytes:
    """The text of a PNG's iTXt chunk: keyword, 2 bytes about compression, language, translated keyword, text."""
    keyword_end = body.find(b"\0")
    compressed = body[keyword_end + 1 : keyword_end + 2] == b"\1"
    parts = body[keyword_end + 3 :].split(b"\0", 2)
    rest = parts[2] if len(parts) == 3 else b""
    if not compressed:
        return rest
    with contextlib.suppress(zlib.error):
        return _inflated(rest)
    return b""


def _inflated(compressed: bytes) -> bytes:
    return zlib.decompressobj().decompress(compressed, _TEXT_LIMIT)


def _of_jpeg_2000(data: bytes) -> Metadata:
    exif: tuple[Directory, ...] = ()
    xmp = b""
    for kind, start, stop in boxes(data, 0, len(data)):
        if kind == b"uuid" and data.startswith(_JP2_EXIF, start):
            exif = _opened(data, (start + 16, stop))
        elif kind == b"uuid" and data.startswith(_JP2_XMP, start):
            xmp = data[start + 16 : stop]
    return Metadata(exif, xmp)


def _of_cr3(data: bytes) -> Metadata:
    """The small TIFF files in a CR3: CMT1 holds the main directory, CMT2 EXIF, CMT3 maker notes, CMT4 GPS."""
    found: dict[bytes, Directory] = {}
    xmp = b""
    for kind, start, stop in boxes(data, 0, len(data)):
        if kind == b"moov":
            for inner, at, end in boxes(data, start, min(stop, len(data))):
                if inner == b"uuid" and data[at : at + 16] == _CANON:
                    parts = boxes(data, at + 16, min(end, len(data)))
                    found = {name: open_tiff(data[a:b]) for name, a, b in parts if name.startswith(b"CMT")}
        elif kind == b"uuid" and data.startswith(_JP2_XMP, start):
            xmp = data[start + 16 : stop]
    nothing = open_tiff(b"")
    return Metadata(tuple(found.get(name, nothing) for name in (b"CMT1", b"CMT2", b"CMT3", b"CMT4")), xmp)


def _of_heif(data: bytes, heif: HeifFile) -> Metadata:
    exif: tuple[Directory, ...] = ()
    xmp = b""
    for item in heif.items.values():
        if item.kind == b"Exif" and not exif:
            body = heif.body(item)
            skipped = 4 + int.from_bytes(body[:4], "big")  # the length of a prefix comes first
            exif = _opened(body, (skipped, len(body))) or _opened(body, (4, len(body)))
        elif item.kind == b"mime" and item.content_type == b"application/rdf+xml" and not xmp:
            xmp = heif.body(item)
    return Metadata(exif, xmp)
