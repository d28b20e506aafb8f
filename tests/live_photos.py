"""Makes the two files of a Live Photo for tests: an Apple maker note, and a QuickTime file of metadata alone."""

import struct
from pathlib import Path

from PIL import Image

SECONDS_1904_TO_1970 = 2_082_844_800


def box(kind: bytes, body: bytes) -> bytes:
    """An atom."""
    return struct.pack(">I4s", 8 + len(body), kind) + body


def movie(path: Path, identifier: str = "", created: int = 0, *, pictures: int = 5000) -> Path:
    """Write a video; `created` is in seconds since 1970, 0 for none."""
    since_1904 = created + SECONDS_1904_TO_1970 if created else 0
    header = box(b"mvhd", struct.pack(">IIIII", 0, since_1904, since_1904, 600, 1800) + bytes(80))
    parts = [header]
    if identifier:
        names = [b"com.apple.quicktime.make", b"com.apple.quicktime.content.identifier"]
        keys = box(b"keys", struct.pack(">II", 0, len(names)) + b"".join(box(b"mdta", name) for name in names))
        values = [b"Apple", identifier.encode()]
        items = (
            box(struct.pack(">I", number), box(b"data", struct.pack(">II", 1, 0) + value))
            for number, value in enumerate(values, start=1)
        )
        parts.append(box(b"meta", keys + box(b"ilst", b"".join(items))))
    large = struct.pack(">I4sQ", 1, b"mdat", 16 + pictures) + bytes(pictures)
    path.write_bytes(box(b"ftyp", b"qt  \0\0\0\0qt  ") + large + box(b"moov", b"".join(parts)))
    return path


def photo(path: Path, identifier: str = "", taken: str = "", offset: str = "") -> Path:
    """Write a JPEG with a content identifier, a time as EXIF writes it, and its offset from UTC."""
    exif = Image.Exif()
    details = exif.get_ifd(0x8769)
    exif[0x010F], exif[0x0110] = "Apple", "iPhone"
    if taken:
        details[0x9003] = taken
    if offset:
        details[0x9011] = offset
    if identifier:
        value = identifier.encode() + b"\0"
        entry = struct.pack(">HHHII", 1, 0x0011, 2, len(value), 14 + 2 + 12 + 4)
        details[0x927C] = b"Apple iOS\0\0\1MM" + entry + bytes(4) + value
    Image.new("RGB", (32, 24), "green").save(path, exif=exif)
    return path
