"""What the first bytes of a file say about its format; decoding is left to the other modules."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from retrieval.archive.suffixes import RAW_SUFFIXES
from retrieval.errors import FailureKind

# Pillow's readers for formats whose first bytes prove nothing: they are asked only where the name agrees.
BY_NAME_ONLY = {
    "TGA": frozenset((".tga", ".icb", ".vda", ".vst")),
    "PCX": frozenset((".pcx",)),
    "DIB": frozenset((".dib",)),
}

_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"
_CODESTREAM = b"\xff\x4f\xff\x51"  # JPEG 2000 without a container
_TIFF = (b"II*\0", b"MM\0*")
_RAW = (
    b"FUJIFILMCCD-RAW",
    *(b"IIRO", b"IIRS", b"MMOR"),  # Olympus
    b"IIU\0",  # Panasonic, Leica
    b"II\x1a\0\0\0HEAPCCDR",  # Canon CRW
    b"\0MRM",  # Minolta
    b"FOVb",  # Sigma
)
_HEIF_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"))
_PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION = 262, 330, 50706
_SENSOR_DATA = frozenset((32803, 34892))  # photometric interpretations: colour filter array, linear raw


class Foreign(NamedTuple):
    """Why a file that no decoder here accepts is none of their business."""

    kind: FailureKind
    reason: str


_EXPORT = "export it as JPEG or TIFF"
_FOREIGN: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\x0a", f"JPEG XL cannot be decoded here: {_EXPORT}"),
    (4, b"JXL ", f"JPEG XL cannot be decoded here: {_EXPORT}"),
    (0, b"II\xbc", f"JPEG XR cannot be decoded here: {_EXPORT}"),
    (0, b"\x76\x2f\x31\x01", f"OpenEXR cannot be decoded here: {_EXPORT}"),
    (0, b"#?RADIANCE", f"Radiance HDR cannot be decoded here: {_EXPORT}"),
    (0, b"#?RGBE", f"Radiance HDR cannot be decoded here: {_EXPORT}"),
    (0, b"8BPS\0\x02", f"Photoshop's large document format cannot be decoded here: {_EXPORT}"),
    (0, b"gimp xcf", f"GIMP's own format cannot be decoded here: {_EXPORT}"),
    (0, b"BPG\xfb", f"BPG cannot be decoded here: {_EXPORT}"),
    (0, b"SIMPLE  =", f"FITS cannot be decoded here: {_EXPORT}"),
    (0, b"XISF0100", f"XISF cannot be decoded here: {_EXPORT}"),
    (0, b"%!PS", "a PostScript drawing, not a photo"),
    (0, b"\xc5\xd0\xd3\xc6", "a PostScript drawing, not a photo"),
    (0, b"\x1f\x8b", "compressed with gzip: unpack it first"),
    (4, b"ftypqt", "a video, not a photo"),
    (4, b"ftypisom", "a video, not a photo"),
    (4, b"ftypmp4", "a video, not a photo"),
    (4, b"ftypavc1", "a video, not a photo"),
)


def identify_foreign(data: bytes) -> Foreign | None:
    """Name a file that no decoder accepted by its contents: another format, text, or nothing but zeros."""
    for offset, signature, reason in _FOREIGN:
        if data.startswith(signature, offset):
            return Foreign("unsupported", reason)
    if data.count(0) == len(data):
        reason = "nothing but zero bytes: it was never written to the end, or got lost; restore it from a backup"
        return Foreign("not-a-photo", reason)
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith((b"<svg", b"<?xml", b"<!--")) and b"<svg" in data[:4096]:
        return Foreign("unsupported", f"a vector drawing (SVG) cannot be decoded here: {_EXPORT}")
    if start and not any(byte < 9 or 13 < byte < 32 or byte == 127 for byte in start):
        return Foreign("not-a-photo", "its contents are text, not a photo")
    return None


def is_heif(data: bytes) -> bool:
    """Whether the first box announces HEIC or HEIF. AVIF may share the generic brands: its reader goes first."""
    return data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS


def is_raw(data: bytes, suffix: str) -> bool:
    """Whether LibRaw has to read this file. Pillow would show a small thumbnail: most RAWs are TIFF inside.

    The contents decide where they can; a RAW suffix is believed for TIFF-like and for unknown contents.
    """
    if data.startswith(_RAW) or data[4:12] == b"ftypcrx ":
        return True
    if data.startswith(_TIFF):
        return suffix in RAW_SUFFIXES or data[8:10] == b"CR" or _holds_sensor_data(data)
    known = data.startswith((_JPEG, _PNG, b"GIF8", b"RIFF", b"BM", b"8BPS")) or data[4:8] == b"ftyp"
    return suffix in RAW_SUFFIXES and not known


def _holds_sensor_data(data: bytes) -> bool:
    order = "<" if data[:2] == b"II" else ">"
    (first,) = struct.unpack_from(f"{order}I", data.ljust(8, b"\0"), 4)
    main = _integer_tags(data, first, order)
    directories = [main, *(_integer_tags(data, offset, order) for offset in main.get(_SUB_IFDS, ()))]
    photometrics = {value for tags in directories for value in tags.get(_PHOTOMETRIC, ())}
    return _DNG_VERSION in main or not photometrics.isdisjoint(_SENSOR_DATA)


def _integer_tags(data: bytes, offset: int, order: str) -> dict[int, tuple[int, ...]]:
    """The byte, short and long tags of the TIFF directory at `offset`, as far as it lies in the data."""
    tags: dict[int, tuple[int, ...]] = {}
    try:
        (entries,) = struct.unpack_from(f"{order}H", data, offset)
        for at in range(offset + 2, offset + 2 + 12 * entries, 12):
            tag, kind, count = struct.unpack_from(f"{order}HHI", data, at)
            code = {1: "B", 3: "H", 4: "I"}.get(kind)
            if code and count <= 16:  # no list that matters here is longer
                layout = f"{order}{count}{code}"
                inline = struct.calcsize(layout) <= 4
                (value_at,) = (at + 8,) if inline else struct.unpack_from(f"{order}I", data, at + 8)
                tags[tag] = struct.unpack_from(layout, data, value_at)
    except struct.error:
        pass  # cut off or nonsense: what was read so far has to do
    return tags


def boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The ISO base media boxes (ISO/IEC 14496-12) in data[start:end]: type, start and end of the body.

    A body may be declared to end beyond `end`: then the file is cut off, and no box follows.
    """
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        header = 8
        if size == 1 and start + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            header = 16
        stop = end if size == 0 else start + size
        if stop < start + header:
            return
        yield kind, start + header, stop
        start = stop


def ends_early(data: bytes) -> bool:
    """Whether the format's own book-keeping says that the end is missing. Asked of files that failed only."""
    if data.startswith((_JPEG, _CODESTREAM)):
        return b"\xff\xd9" not in data[-64:]
    if data.startswith(_PNG):
        return b"IEND" not in data
    if data.startswith(_TIFF):
        return int.from_bytes(data[4:8], "little" if data[:2] == b"II" else "big") + 2 > len(data)
    if data.startswith(b"RIFF"):
        return int.from_bytes(data[4:8], "little") + 8 > len(data)
    if data[4:8] in (b"ftyp", b"jP  "):
        return any(stop > len(data) for _, _, stop in boxes(data, 0, len(data)))
    return False
