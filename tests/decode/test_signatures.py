"""What the first bytes say about a file."""

import io
import struct

import pytest
from PIL import Image

from retrieval.decode import signatures


def encoded(format: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "green").save(buffer, format)
    return buffer.getvalue()


def tiff(tags: dict[int, int], sub_directory: dict[int, int] | None = None) -> bytes:
    """A TIFF header whose tags are all longs, with one sub-directory on request."""
    tags = dict(tags)
    if sub_directory is not None:
        tags[330] = 8 + 2 + 12 * (len(tags) + 1) + 4
    directories = [tags] if sub_directory is None else [tags, sub_directory]
    packed = b"".join(
        struct.pack("<H", len(directory))
        + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(directory.items()))
        + struct.pack("<I", 0)
        for directory in directories
    )
    return b"II*\0" + struct.pack("<I", 8) + packed


@pytest.mark.parametrize(
    "data",
    [
        b"FUJIFILMCCD-RAW 0201",
        b"IIRO\x08\0\0\0",
        b"IIU\0\x18\0\0\0",
        b"\0\0\0\x18ftypcrx \0\0\0\1",
        b"II*\0\x10\0\0\0CR\2\0",
        tiff({50706: 0x0401}),
        tiff({262: 32803}),
        tiff({262: 2}, sub_directory={262: 34892}),
    ],
    ids=["Fujifilm", "Olympus", "Panasonic", "CR3", "CR2", "DNG", "sensor data", "sensor data below"],
)
def test_raw_is_known_by_its_contents(data: bytes) -> None:
    assert signatures.is_raw(data, ".jpg")


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ""])
def test_a_plain_tiff_is_no_raw(suffix: str) -> None:
    assert not signatures.is_raw(encoded("TIFF"), suffix)


def test_a_raw_suffix_is_believed_for_tiff_and_unknown_contents_only() -> None:
    assert signatures.is_raw(encoded("TIFF"), ".nef")
    assert signatures.is_raw(b"a maker's own header", ".raw")
    assert not signatures.is_raw(encoded("JPEG"), ".nef")
    assert not signatures.is_raw(encoded("PNG"), ".dng")


@pytest.mark.parametrize("cut", range(0, 40, 3))
def test_is_raw_stands_any_cut(cut: int) -> None:
    signatures.is_raw(tiff({262: 2}, sub_directory={262: 34892})[:cut], "")


@pytest.mark.parametrize(
    ("data", "kind", "word"),
    [
        (b"\xff\x0a\xfa\x7f", "unsupported", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "unsupported", "JPEG XL"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "unsupported", "SVG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "unsupported", "PostScript"),
        (b"\0\0\0\x20ftypqt  ", "unsupported", "video"),
        (b"8BPS\0\2", "unsupported", "Photoshop"),
        (bytes(5000), "not-a-photo", "zero bytes"),
        (b"Dear diary,\nto-day I saw a kestrel.\n", "not-a-photo", "text"),
        ("Grüße vom Neusiedler See".encode(), "not-a-photo", "text"),
    ],
)
def test_foreign_contents_are_named(data: bytes, kind: str, word: str) -> None:
    foreign = signatures.identify_foreign(data)
    assert foreign is not None
    assert foreign.kind == kind
    assert word in foreign.reason


def test_noise_is_not_named() -> None:
    assert signatures.identify_foreign(b"\x01\x02\x9c\x00noise\x07") is None


def test_boxes_tell_where_they_end() -> None:
    data = struct.pack(">I4s4s", 12, b"ftyp", b"heic") + struct.pack(">I4sQ", 1, b"mdat", 20) + b"body"
    assert list(signatures.boxes(data, 0, len(data))) == [(b"ftyp", 8, 12), (b"mdat", 28, 32)]
    assert list(signatures.boxes(struct.pack(">I4s", 0, b"mdat") + b"to the end", 0, 18)) == [(b"mdat", 8, 18)]
    assert list(signatures.boxes(struct.pack(">I4s", 4, b"loop"), 0, 8)) == []


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "JPEG2000"])
def test_only_a_cut_file_ends_early(format: str) -> None:
    data = encoded(format)
    assert not signatures.ends_early(data)
    # Pillow puts a TIFF's directory first, where no cut but an early one shows.
    assert signatures.ends_early(data[:8] if format == "TIFF" else data[: len(data) // 2])
