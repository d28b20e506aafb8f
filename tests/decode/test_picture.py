"""Reading pictures of every format, whole, cut off, too large and broken; through `decode`, as callers do."""

import io
import struct
import zlib

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from photos import scene
from PIL import Image, ImageFile

from retrieval.decode import picture
from retrieval.decode.photo import Decoded, decode
from retrieval.errors import PhotoError

SIZE = (160, 120)


def encode(format: str, image: Image.Image | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    image = image or scene(5, SIZE)
    if format == "HEIF":
        pillow_heif.from_pillow(image).save(buffer, quality=90, **options)
    else:
        image.save(buffer, format, **options)
    return buffer.getvalue()


FORMATS: dict[str, tuple[str, bytes]] = {  # the decoder's name, the file
    "baseline.jpg": ("JPEG", encode("JPEG")),
    "progressive.jpg": ("JPEG", encode("JPEG", progressive=True)),
    "cmyk.jpg": ("JPEG", encode("JPEG", scene(5, SIZE).convert("CMYK"))),
    "two.mpo": ("MPO", encode("MPO", save_all=True, append_images=[scene(6, SIZE)])),
    "rgb.png": ("PNG", encode("PNG")),
    "palette.png": ("PNG", encode("PNG", scene(5, SIZE).quantize(256))),
    "animated.png": ("PNG", encode("PNG", save_all=True, append_images=[scene(6, SIZE)])),
    "plain.tif": ("TIFF", encode("TIFF")),
    "lzw.tif": ("TIFF", encode("TIFF", compression="tiff_lzw")),
    "jpeg.tif": ("TIFF", encode("TIFF", compression="jpeg")),
    "lossy.webp": ("WEBP", encode("WEBP")),
    "animated.webp": ("WEBP", encode("WEBP", save_all=True, append_images=[scene(6, SIZE)])),
    "animated.gif": ("GIF", encode("GIF", save_all=True, append_images=[scene(6, SIZE)])),
    "photo.heic": ("HEIF", encode("HEIF")),
    "photo.avif": ("AVIF", encode("AVIF")),
    "photo.jp2": ("JPEG2000", encode("JPEG2000")),
    "photo.bmp": ("BMP", encode("BMP")),
    "photo.dib": ("DIB", encode("DIB")),
    "photo.ppm": ("PPM", encode("PPM")),
    "photo.tga": ("TGA", encode("TGA")),
    "photo.pcx": ("PCX", encode("PCX")),
    "photo.sgi": ("SGI", encode("SGI")),
    "photo.qoi": ("QOI", encode("QOI")),
    "photo.dds": ("DDS", encode("DDS")),
    "photo.ico": ("ICO", encode("ICO", scene(5, (64, 48)), sizes=[(64, 48)])),
}
BY_NAME = ("photo.dib", "photo.tga", "photo.pcx")


SEVERAL_PICTURES = ("two.mpo", "animated.png", "animated.webp", "animated.gif")


def cut(name: str, part: float) -> bytes:
    """That part of the file, or of its first picture."""
    data = FORMATS[name][1]
    return data[: int(len(data) * (part / 2 if name in SEVERAL_PICTURES else part))]


def failure(data: bytes, name: str = "photo.jpg", **options: object) -> PhotoError:
    with pytest.raises(PhotoError) as caught:
        decode(data, name=name, **options)
    return caught.value


def difference(photo: Decoded) -> float:
    """The mean difference of levels to the scene."""
    expected = np.asarray(scene(5, SIZE).resize(photo.image.size), float)
    return float(np.abs(np.asarray(photo.image, float) - expected).mean())


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_read(name: str) -> None:
    format, data = FORMATS[name]
    photo = decode(data, name=name)
    assert photo.facts.format == format
    assert photo.image.mode == "RGB"
    assert (photo.facts.width, photo.facts.height) == photo.image.size
    assert difference(photo) < (9 if "palette" in name or format == "GIF" else 3)


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - set(BY_NAME)))
def test_the_contents_decide_whatever_the_name_says(name: str) -> None:
    format, data = FORMATS[name]
    assert decode(data, name="holiday.jpg").facts.format == format
    assert decode(data, name="").facts.format == format


@pytest.mark.parametrize("name", BY_NAME)
def test_formats_without_a_signature_need_their_name(name: str) -> None:
    assert failure(FORMATS[name][1], "holiday.jpg").kind == "not-a-photo"


@pytest.mark.parametrize("name", FORMATS)
def test_cut_files_fail_and_say_so(name: str) -> None:
    data = cut(name, 0.5)
    error = failure(data, name)
    if name in ("lzw.tif", "jpeg.tif"):
        assert error.kind in ("truncated", "damaged")  # the directory stands at the end, or the codec gave up
    else:
        assert error.kind == "truncated"
        assert f"{len(data):,} bytes" in error.reason


@pytest.mark.parametrize("name", FORMATS)
def test_cut_files_are_read_as_far_as_they_go_or_still_fail(name: str) -> None:
    data = cut(name, 0.75)
    promised = "--allow-truncated" in failure(data, name).reason
    if not promised:
        assert failure(data, name, allow_truncated=True).kind in ("truncated", "damaged")
    else:
        rows = np.asarray(decode(data, name=name, allow_truncated=True).image, float).mean(axis=(1, 2))
        assert max(rows[0], rows[-1]) > 0


def test_a_cut_progressive_jpeg_shows_the_whole_picture_coarsely() -> None:
    data = FORMATS["progressive.jpg"][1]
    photo = decode(data[: len(data) // 2], name="photo.jpg", allow_truncated=True)
    assert difference(photo) < 12


def test_a_cut_jpeg_keeps_its_scale_and_facts() -> None:
    exif = Image.Exif()
    exif[274], exif[272] = 6, "Camera"
    data = encode("JPEG", scene(5, (640, 480)), exif=exif)
    photo = decode(data[: len(data) // 2], name="a.jpg", at_least=(100, 100), allow_truncated=True)
    assert photo.image.size == (120, 160)
    assert (photo.facts.width, photo.facts.height, photo.facts.camera) == (480, 640, "Camera")


def test_pillows_own_switch_for_cut_files_is_left_alone() -> None:
    data = FORMATS["rgb.png"][1]
    decode(data[: len(data) // 2], name="photo.png", allow_truncated=True)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_a_cut_turned_tiff_comes_upright() -> None:
    exif = Image.Exif()
    exif[274] = 6
    data = encode("TIFF", exif=exif)
    photo = decode(data[: len(data) * 3 // 4], name="a.tif", allow_truncated=True)
    assert photo.image.size == (photo.facts.width, photo.facts.height) == (120, 160)


def test_nothing_is_read_from_a_header_alone() -> None:
    data = FORMATS["baseline.jpg"][1]
    assert failure(data[:100], allow_truncated=True).kind == "truncated"


def test_no_bytes_are_empty() -> None:
    assert failure(b"").kind == "empty"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"Not a photo at all, but a letter.\n" * 9, "not-a-photo"),
        (bytes(4096), "not-a-photo"),
        (b"P", "not-a-photo"),
        (bytes(range(255, 0, -1)) * 8, "not-a-photo"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported"),
        (b"\xff\x0a" + bytes(range(200)), "unsupported"),
    ],
)
def test_other_contents_are_told_apart(data: bytes, kind: str) -> None:
    assert failure(data).kind == kind


def test_damage_is_not_a_cut() -> None:
    data = bytearray(FORMATS["rgb.png"][1])
    at = data.index(b"IDAT") + 40
    data[at : at + 20] = bytes(20)
    assert failure(bytes(data), "photo.png").kind == "damaged"


def bomb(width: int, height: int) -> bytes:
    """A PNG that declares these many pixels and holds none."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_bombs_are_refused_with_the_way_out() -> None:
    error = failure(bomb(20_000, 15_000))
    assert error.kind == "too-large"
    assert error.reason.startswith("20,000 x 15,000 = 300.0 megapixels is over the limit of 175.0: raise it with")
    assert "--max-pixels" in error.reason


def test_a_side_without_end_is_refused_whatever_the_limit() -> None:
    assert "1 x 900,000 pixels" in failure(bomb(1, 900_000), max_pixels=10**9).reason


def test_the_limit_counts_what_is_decoded() -> None:
    large, wish = encode("JPEG", scene(5, (1600, 1200))), {"at_least": (100, 100), "max_pixels": 100_000}
    photo = decode(large, name="photo.jpg", **wish)
    assert photo.image.size == (200, 150)
    assert (photo.facts.width, photo.facts.height) == (1600, 1200)
    assert failure(large, max_pixels=100_000).kind == "too-large"


def test_a_progressive_jpeg_counts_in_full() -> None:
    """libjpeg holds all its coefficients, whatever the scale."""
    data = encode("JPEG", scene(5, (1600, 1200)), progressive=True)
    assert failure(data, at_least=(100, 100), max_pixels=100_000).kind == "too-large"
    assert decode(data, name="photo.jpg", at_least=(100, 100)).image.size == (200, 150)


def test_a_jpeg_of_several_scans_counts_in_full() -> None:
    data = encode("JPEG", scene(5, (1600, 1200)))
    at = data.index(b"\xff\xda")
    (length,) = struct.unpack_from(">H", data, at + 2)
    one_component = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 0, 63, 0)
    several = data[:at] + one_component + data[at + 2 + length :]
    assert failure(several, at_least=(100, 100), max_pixels=100_000).kind == "too-large"


def test_pillows_limit_is_raised_only_for_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000)
    data = FORMATS["plain.tif"][1]
    decode(data, name="photo.tif", max_pixels=50_000)
    assert Image.MAX_IMAGE_PIXELS == 50_000


def test_decoders_written_in_python_have_a_limit_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "_MAX_PIXELS_IN_PYTHON", 1_000)
    assert "would take minutes" in failure(FORMATS["photo.qoi"][1], "photo.qoi").reason
    assert decode(FORMATS["rgb.png"][1], name="photo.png").image.size == SIZE


@pytest.mark.parametrize(("wanted", "size"), [((26, 35), (60, 80)), ((27, 35), (60, 80)), ((28, 37), (120, 160))])
def test_pictures_far_above_the_wish_are_reduced(wanted: tuple[int, int], size: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[274] = 8
    photo = decode(encode("PNG", exif=exif), name="photo.png", at_least=(wanted[0] * 3 // 2, wanted[1] * 3 // 2))
    assert photo.image.size == size
    assert (photo.facts.width, photo.facts.height) == (120, 160)


NAMES = sorted(FORMATS)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(NAMES),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    st.one_of(st.just(1.0), st.floats(0, 1)),
    st.booleans(),
)
def test_any_damage_ends_in_pixels_or_a_photo_error(
    name: str, changes: list[tuple[float, int]], kept: float, allow_truncated: bool
) -> None:
    data = bytearray(FORMATS[name][1])
    for where, value in changes:
        data[int(where**3 * len(data))] = value  # mostly in the header, where it matters
    damaged = bytes(data[: int(kept * len(data))])
    try:
        photo = decode(damaged, name=name, at_least=(64, 64), max_pixels=2_000_000, allow_truncated=allow_truncated)
    except PhotoError as error:
        assert error.reason
        assert "0x" not in error.reason  # no addresses of objects
    else:
        assert photo.image.mode == "RGB"
        assert len(photo.image.tobytes()) == 3 * photo.image.width * photo.image.height


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=600), st.sampled_from(["a.jpg", "a.tga", "a.nef", "a.dng", "a.pcx", "a", ""]))
def test_any_bytes_end_in_pixels_or_a_photo_error(data: bytes, name: str) -> None:
    try:
        assert decode(data, name=name, max_pixels=2_000_000).image.mode == "RGB"
    except PhotoError as error:
        assert error.reason
