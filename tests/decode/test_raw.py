"""Camera RAW: previews and development, turned upright once, with the RAW's own facts."""

import io
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
import rawpy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from photos import scene
from PIL import Image
from raw_photos import Directory, dng

from retrieval.decode.photo import Decoded, decode
from retrieval.decode.raw import open_raw
from retrieval.errors import PhotoError

SIZE = (120, 80)
# How to store an upright picture so that each EXIF orientation brings it back.
STORE = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def stored(orientation: int, size: tuple[int, int] = SIZE) -> Image.Image:
    turn = STORE[orientation]
    upright = scene(3, size)
    return upright if turn is None else upright.transpose(turn)


def jpeg(image: Image.Image, orientation: int | None = None) -> bytes:
    buffer, exif = io.BytesIO(), Image.Exif()
    if orientation is not None:
        exif[274] = orientation
    image.save(buffer, "JPEG", quality=95, exif=exif)
    return buffer.getvalue()


def match(image: Image.Image) -> float:
    """The correlation of an image's pixels with the upright scene's."""
    pixels = [np.asarray(each.resize((60, 40)), float).ravel() for each in (image, scene(3, SIZE))]
    return float(np.corrcoef(pixels)[0, 1])


def decoded(data: bytes, at_least: tuple[int, int] | None = None) -> Decoded:
    return decode(data, name="photo.dng", at_least=at_least)


def test_libraw_opens_what_these_tests_write() -> None:
    pixels = np.asarray(scene(3, SIZE))
    with rawpy.RawPy() as raw:
        raw.open_buffer(io.BytesIO(dng(pixels, preview=jpeg(scene(3, SIZE)))))
        assert (raw.sizes.width, raw.sizes.height) == SIZE
        assert raw.extract_thumb().format == rawpy.ThumbFormat.JPEG


@pytest.mark.parametrize("orientation", STORE)
def test_development_comes_upright(orientation: int) -> None:
    photo = decoded(dng(np.asarray(stored(orientation)), orientation=orientation))
    assert photo.image.size == (SIZE[0] // 2, SIZE[1] // 2)
    assert (photo.facts.format, photo.facts.width, photo.facts.height) == ("RAW", *SIZE)
    assert match(photo.image) > 0.98


@pytest.mark.parametrize("orientation", STORE)
@pytest.mark.parametrize("says_so", [True, False], ids=["tagged preview", "untagged preview"])
def test_a_preview_comes_upright_once(orientation: int, says_so: bool) -> None:
    lying = stored(orientation)
    preview = jpeg(lying, orientation if says_so else None)
    photo = decoded(dng(np.zeros((*lying.size[::-1], 3), np.uint8), orientation=orientation, preview=preview))
    assert photo.image.size == SIZE
    assert match(photo.image) > 0.98


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("tag", [None, 1])
def test_a_preview_that_is_stored_upright_stays_so(orientation: int, tag: int | None) -> None:
    lying = np.zeros((*stored(orientation).size[::-1], 3), np.uint8)
    photo = decoded(dng(lying, orientation=orientation, preview=jpeg(scene(3, SIZE), tag)))
    assert match(photo.image) > 0.98


def dark(size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.zeros((size[1], size[0], 3), np.uint8)


def is_preview(photo: Decoded) -> bool:
    """Whether the bright preview was taken, and not the black sensor."""
    return bool(np.asarray(photo.image).mean() > 20)


def test_a_large_enough_preview_is_taken() -> None:
    photo = decoded(dng(dark((800, 600)), preview=jpeg(scene(3, (400, 300)))), at_least=(100, 100))
    assert is_preview(photo)
    assert photo.image.size == (200, 150)  # at the JPEG's reduced scale
    assert (photo.facts.width, photo.facts.height) == (800, 600)


def test_a_small_preview_gives_way_to_development() -> None:
    photo = decoded(dng(dark((800, 600)), preview=jpeg(scene(3, (160, 120)))), at_least=(200, 200))
    assert not is_preview(photo)
    assert photo.image.size == (400, 300)


def test_a_preview_of_half_the_size_serves_any_wish() -> None:
    assert is_preview(decoded(dng(dark((400, 300)), preview=jpeg(scene(3, (200, 150)))), at_least=(999, 999)))
    assert is_preview(decoded(dng(dark((400, 300)), preview=jpeg(scene(3, (200, 150))))))


def test_a_small_preview_is_better_than_nothing() -> None:
    data = dng(dark((800, 600)), preview=jpeg(scene(3, (160, 120))))
    photo = decode(data, name="photo.dng", at_least=(200, 200), max_pixels=100_000)
    assert is_preview(photo)
    assert photo.image.size == (160, 120)


def test_without_a_preview_the_pixel_limit_counts() -> None:
    with pytest.raises(PhotoError, match="--max-pixels") as caught:
        decode(dng(dark((800, 600))), name="photo.dng", max_pixels=100_000)
    assert caught.value.kind == "too-large"


def test_a_broken_preview_gives_way_to_development() -> None:
    preview = jpeg(scene(3, (200, 150)))
    broken = preview[:300] + bytes(len(preview) - 300)
    photo = decoded(dng(np.asarray(scene(3, (200, 150))), preview=preview).replace(preview, broken))
    assert photo.image.size == (100, 75)
    assert match(photo.image) > 0.98


EXIF: Directory = {
    36867: ("text", "2024:05:17 06:12:33"),
    37521: ("text", "25"),
    36881: ("text", "+03:00"),
    42036: ("text", "Maker 500mm F4"),
}
GPS: Directory = {
    1: ("text", "N"),
    2: ("ratio", ((25, 1), (15, 1), (36, 1))),
    3: ("text", "E"),
    4: ("ratio", ((55, 1), (18, 1), (0, 1))),
}


@pytest.mark.parametrize("with_preview", [True, False])
def test_the_raws_own_facts_count(with_preview: bool) -> None:
    preview = jpeg(scene(3, SIZE)) if with_preview else None
    facts = decoded(dng(dark(SIZE), preview=preview, exif=EXIF, gps=GPS)).facts
    zone = timezone(timedelta(hours=3))
    assert facts.taken_at == datetime(2024, 5, 17, 6, 12, 33, 250_000, tzinfo=zone)
    assert facts.latitude == pytest.approx(25.26)
    assert facts.longitude == pytest.approx(55.3)
    assert (facts.camera, facts.lens) == ("Maker One", "Maker 500mm F4")


def test_a_date_that_libraw_makes_up_is_no_date() -> None:
    assert decoded(dng(dark(SIZE), preview=jpeg(scene(3, SIZE)))).facts.taken_at is None


def test_dng_is_known_by_its_contents() -> None:
    data = dng(np.asarray(scene(3, SIZE)), preview=jpeg(scene(3, (16, 12))))
    assert decode(data, name="scan.tif").facts.format == "RAW"
    assert decode(data, name="").image.size == (60, 40)


def test_a_jpeg_with_a_raw_name_is_a_jpeg() -> None:
    assert decode(jpeg(scene(3)), name="photo.nef").facts.format == "JPEG"


@pytest.mark.parametrize("name", ["photo.nef", "photo.raw", "photo.cr3"])
def test_what_libraw_does_not_know_is_unsupported(name: str) -> None:
    with pytest.raises(PhotoError, match="LibRaw") as caught:
        decode(b"\x01\x02 some maker's own header \xff\x00" * 20, name=name)
    assert caught.value.kind == "unsupported"


def test_a_raw_cut_off_in_the_sensors_data_fails(capfd: pytest.CaptureFixture[str]) -> None:
    data = dng(np.asarray(scene(3, (400, 300))))
    directory = int.from_bytes(data[4:8], "little")
    moved = 240_000  # the sensor's data now start so late that most of them are missing
    cut = data.replace(b"\x11\x01\x04\0\x01\0\0\0\x08\0\0\0", b"\x11\x01\x04\0\x01\0\0\0" + moved.to_bytes(4, "little"))
    assert directory < len(cut)
    with pytest.raises(PhotoError) as caught:
        decoded(cut)
    assert caught.value.kind == "truncated"
    assert capfd.readouterr().err == ""


def test_opening_tells_size_and_orientation_before_any_pixel() -> None:
    with open_raw(dng(dark((100, 60)), orientation=6)) as photo:
        assert (photo.size, photo.orientation, photo.preview()) == ((60, 100), 6, None)


SMALL = dng(np.asarray(scene(3, (24, 16))), orientation=6, preview=jpeg(scene(3, (12, 8))), exif=EXIF, gps=GPS)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), max_size=8),
    st.integers(0, len(SMALL)),
)
def test_any_damage_ends_in_pixels_or_a_photo_error(changes: list[tuple[int, int]], length: int) -> None:
    data = bytearray(SMALL)
    for at, value in changes:
        data[at] = value
    try:
        photo = decode(bytes(data[:length]), name="photo.dng", at_least=(8, 8), max_pixels=1_000_000)
    except PhotoError as error:
        assert error.reason
    else:
        assert photo.image.mode == "RGB"


def test_utc_offset_of_zero_is_utc() -> None:
    facts = decoded(dng(dark(SIZE), exif=EXIF | {36881: ("text", "Z")})).facts
    assert facts.taken_at is not None
    assert facts.taken_at.tzinfo == UTC
