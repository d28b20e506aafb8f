"""EXIF blocks and maker notes that tests make for themselves, and photos that carry them."""

import io
import struct

import pillow_heif
from photos import scene
from raw_photos import Directory, Layout

TEXT, SHORT, LONG, RATIO, SIGNED, BYTE = "text", "short", "long", "ratio", "signed", "byte"
CAMERA: Directory = {271: (TEXT, "Canon"), 272: (TEXT, "Canon EOS R5")}


def block(main: Directory | None = None, exif: Directory | None = None, gps: Directory | None = None) -> bytes:
    """A little-endian TIFF block with these directories, the camera's name in the first."""
    layout = Layout()
    tags = dict(CAMERA if main is None else main)
    if exif:
        tags[34665] = (LONG, (layout.directory(exif),))
    if gps:
        tags[34853] = (LONG, (layout.directory(gps),))
    return layout.file(layout.directory(tags))


def jpeg(exif: bytes | None = None, xmp: bytes | None = None, seed: int = 1) -> bytes:
    """A small JPEG with these blocks."""
    buffer = io.BytesIO()
    more = {"xmp": xmp} if xmp else {}
    scene(seed).save(buffer, "JPEG", exif=b"Exif\0\0" + exif if exif else b"", **more)
    return buffer.getvalue()


def heic(exif: bytes, **save: object) -> bytes:
    """A small HEIC with an EXIF block."""
    buffer = io.BytesIO()
    pillow_heif.from_pillow(scene(1)).save(buffer, exif=b"Exif\0\0" + exif, **save)
    return buffer.getvalue()


def note(tags: Directory, start: int = 0) -> bytes:
    """A directory with its values behind it, as cameras write them, `start` bytes behind where offsets count from."""
    codes = {"byte": (1, "B"), "text": (2, ""), "short": (3, "H"), "long": (4, "I"), "undefined": (7, "B")}
    values_at = start + 2 + 12 * len(tags) + 4
    entries, values = b"", b""
    for tag, (kind, content) in sorted(tags.items()):
        number, code = codes[kind]
        packed = (
            content.encode() + b"\0" if isinstance(content, str) else struct.pack(f"<{len(content)}{code}", *content)
        )
        count = len(packed) if isinstance(content, str) else len(content)
        inline = packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack("<I", values_at + len(values))
        if len(packed) > 4:
            values += packed
        entries += struct.pack("<HHI", tag, number, count) + inline
    return struct.pack("<H", len(tags)) + entries + bytes(4) + values
