"""EXIF and XMP are found in every container that carries them."""

import io
import struct
import zlib

import pytest
from exif_blocks import TEXT, block, heic, jpeg
from hypothesis import given
from hypothesis import strategies as st
from photos import scene

from retrieval.decode.containers import jpeg_segments, png_chunks, read_metadata

EXIF = block({271: (TEXT, "Maker of cameras")})
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description aux:SerialNumber="42"/></x:xmpmeta>'


def saved(form: str, **save: object) -> bytes:
    buffer = io.BytesIO()
    scene(1).save(buffer, form, **save)
    return buffer.getvalue()


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def photoshop(number: int, body: bytes) -> bytes:
    """The head of a Photoshop file with one image resource; the picture is missing."""
    resource = (
        b"8BIM" + struct.pack(">H", number) + b"\0\0" + struct.pack(">I", len(body)) + body + b"\0" * (len(body) % 2)
    )
    return (
        b"8BPS\0\1"
        + bytes(6)
        + struct.pack(">HIIHH", 3, 4, 4, 8, 3)
        + bytes(4)
        + struct.pack(">I", len(resource))
        + resource
    )


def raw_profile(compressed: bool) -> bytes:
    """A PNG with EXIF as ImageMagick used to write it."""
    text = b"\nexif\n" + b"%8d\n" % (6 + len(EXIF)) + (b"Exif\0\0" + EXIF).hex().encode() + b"\n"
    kind, body = (b"zTXt", b"\0" + zlib.compress(text)) if compressed else (b"tEXt", text)
    body = b"Raw profile type exif\0" + body
    chunk = struct.pack(">I", len(body)) + kind + body + bytes(4)
    plain = saved("PNG")
    return plain[:33] + chunk + plain[33:]


FILES = {
    "JPEG": lambda: jpeg(EXIF),
    "PNG": lambda: saved("PNG", exif=EXIF),
    "PNG by ImageMagick": lambda: raw_profile(compressed=True),
    "PNG by ImageMagick, plain": lambda: raw_profile(compressed=False),
    "WebP": lambda: saved("WEBP", exif=EXIF),
    "HEIC": lambda: heic(EXIF),
    "AVIF": lambda: saved("AVIF", exif=EXIF),
    "TIFF": lambda: EXIF,
    "Photoshop": lambda: photoshop(1058, EXIF),
    "JPEG 2000": lambda: box(b"jP  ", b"\r\n\x87\n") + box(b"uuid", b"JpgTiffExif->JP2" + EXIF),
    "an unknown RAW with a preview": lambda: b"FUJIFILMCCD-RAW " + bytes(200) + jpeg(EXIF),
}


@pytest.mark.parametrize("form", FILES)
def test_exif_is_found(form: str) -> None:
    (main, *others) = read_metadata(FILES[form]()).exif
    assert main.raw(271) == b"Maker of cameras\0"
    assert not others


@pytest.mark.parametrize(
    "data",
    [
        jpeg(xmp=XMP),
        saved("WEBP", xmp=XMP),
        saved("AVIF", xmp=XMP),
        photoshop(1060, XMP),
        box(b"jP  ", b"\r\n\x87\n") + box(b"uuid", bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + XMP),
    ],
)
def test_xmp_is_found(data: bytes) -> None:
    assert read_metadata(data).xmp == XMP


@pytest.mark.parametrize("compressed", [False, True])
def test_xmp_in_a_png_is_found(compressed: bool) -> None:
    text = zlib.compress(XMP) if compressed else XMP
    body = b"XML:com.adobe.xmp\0" + bytes((compressed, 0)) + b"en\0\0" + text
    plain = saved("PNG")
    data = plain[:33] + struct.pack(">I", len(body)) + b"iTXt" + body + bytes(4) + plain[33:]
    assert read_metadata(data).xmp == XMP


def test_a_cr3_keeps_four_directories() -> None:
    blocks = b"".join(box(b"CMT%d" % number, block({271: (TEXT, f"block {number}")})) for number in (1, 2, 3, 4))
    uuid = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48") + blocks
    data = box(b"ftyp", b"crx " + bytes(4)) + box(b"moov", box(b"uuid", uuid))
    assert [one.raw(271)[:7] for one in read_metadata(data).exif] == [b"block 1", b"block 2", b"block 3", b"block 4"]


def test_photos_without_any_have_none() -> None:
    for form in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF"):
        metadata = read_metadata(saved(form))
        assert not any(directory.raw(271) for directory in metadata.exif)
        assert metadata.xmp == b""


@pytest.mark.parametrize("form", FILES)
def test_no_cut_fails(form: str) -> None:
    data = FILES[form]()
    for length in range(0, min(len(data), 1500), 7):
        read_metadata(data[:length])


@pytest.mark.parametrize("form", FILES)
@given(flips=st.lists(st.tuples(st.integers(0, 1200), st.integers(0, 255)), max_size=12))
def test_no_damage_fails(form: str, flips: list[tuple[int, int]]) -> None:
    data = bytearray(FILES[form]())
    for place, value in flips:
        data[place % len(data)] = value
    read_metadata(bytes(data))


def test_parts_of_jpeg_and_png_in_their_order() -> None:
    markers = [marker for marker, _, _ in jpeg_segments(jpeg(EXIF))]
    assert markers[0] == 0xE0 or markers[0] == 0xE1
    assert markers[-1] == 0xDA
    kinds = [kind for kind, _, _ in png_chunks(saved("PNG"))]
    assert (kinds[0], kinds[-1]) == (b"IHDR", b"IEND")
