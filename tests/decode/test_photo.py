"""From bytes to upright RGB: scale, orientation, threads, and the folders of real photos."""

import io
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import numpy as np
import pillow_heif
import psutil
import pytest
from photos import scene
from PIL import Image

from retrieval.decode.photo import decode, resize, upright_rgb
from retrieval.errors import FailureKind, PhotoError

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
UPRIGHT = scene(7, (480, 320))


def lying(orientation: int, format: str, **options: object) -> bytes:
    """The upright scene, stored so that this orientation brings it back."""
    turn = STORE[orientation]
    image, buffer, exif = UPRIGHT if turn is None else UPRIGHT.transpose(turn), io.BytesIO(), Image.Exif()
    exif[274] = orientation
    if format == "HEIF":
        pillow_heif.from_pillow(image).save(buffer, quality=90, exif=exif.tobytes())
    else:
        image.save(buffer, format, exif=exif, **options)
    return buffer.getvalue()


def difference(image: Image.Image) -> float:
    """The mean difference of levels to the upright scene, at a size where compression hardly shows."""
    return float(np.abs(resize(image, 60, 40).astype(float) - resize(UPRIGHT, 60, 40)).mean())


@pytest.mark.parametrize("orientation", STORE)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF", "MPO"])
def test_all_orientations_come_upright_once(format: str, orientation: int) -> None:
    photo = decode(lying(orientation, format), name="photo")
    assert photo.image.size == (photo.facts.width, photo.facts.height) == UPRIGHT.size
    assert difference(photo.image) < 2


@pytest.mark.parametrize("orientation", STORE)
def test_a_compressed_tiff_is_turned_once(orientation: int) -> None:
    photo = decode(lying(orientation, "TIFF", compression="tiff_lzw"), name="photo.tif")
    assert photo.image.size == (photo.facts.width, photo.facts.height) == UPRIGHT.size
    assert difference(photo.image) < 2


def test_an_orientation_in_xmp_counts() -> None:
    buffer = io.BytesIO()
    UPRIGHT.transpose(Image.Transpose.ROTATE_180).save(buffer, "JPEG", xmp=b'<x tiff:Orientation="3"/>')
    assert difference(decode(buffer.getvalue(), name="photo.jpg").image) < 2


def test_a_turned_photo_forgets_how_it_lay() -> None:
    image = decode(lying(6, "JPEG"), name="photo.jpg").image
    assert image.getexif().get(274) is None


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(
    ("wanted", "scale"), [((60, 40), 8), ((61, 40), 4), ((60, 41), 4), ((240, 10), 2), ((241, 10), 1)]
)
def test_the_scale_stays_above_the_wish(orientation: int, wanted: tuple[int, int], scale: int) -> None:
    photo = decode(lying(orientation, "JPEG"), name="photo.jpg", at_least=wanted)
    assert photo.image.size == (480 // scale, 320 // scale)
    assert (photo.facts.width, photo.facts.height) == (480, 320)
    assert difference(photo.image) < 3


def test_a_wish_beyond_the_photo_gives_the_photo() -> None:
    assert decode(lying(1, "JPEG"), name="photo.jpg", at_least=(5000, 5000)).image.size == (480, 320)


def test_reduced_scale_hardly_changes_what_a_network_sees() -> None:
    buffer = io.BytesIO()
    scene(9, (1600, 1200)).save(buffer, "JPEG", quality=92)
    whole, reduced = (
        resize(decode(buffer.getvalue(), name="photo.jpg", at_least=wish).image, 192, 192).astype(float)
        for wish in (None, (384, 384))
    )
    assert np.abs(whole - reduced).mean() < 1


@pytest.mark.parametrize("orientation", STORE)
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_sides_that_the_scale_does_not_divide_shift_nothing(format: str, orientation: int) -> None:
    """The last pixel of a reduced row may lie mostly beyond the photo: seven eighths of it at 1/8 scale."""
    upright = scene(11, (481, 321))
    turn, buffer, exif = STORE[orientation], io.BytesIO(), Image.Exif()
    exif[274] = orientation
    (upright if turn is None else upright.transpose(turn)).save(buffer, format, exif=exif, quality=95)
    photo = decode(buffer.getvalue(), name="photo", at_least=(40, 30))
    assert photo.image.size == {"JPEG": (61, 41), "PNG": (69, 46)}[format]
    expected = resize(upright, 20, 15).astype(float)
    reduced, stretched = resize(photo.image, 20, 15, photo.box), resize(photo.image, 20, 15)
    assert np.abs(reduced - expected).mean() < 0.25 * np.abs(stretched - expected).mean()


def test_resize_is_pillows_bicubic_and_writable() -> None:
    pixels = resize(UPRIGHT, 50, 30)
    assert pixels.shape == (30, 50, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable
    assert np.array_equal(pixels, np.asarray(UPRIGHT.resize((50, 30), Image.Resampling.BICUBIC)))


def test_a_callers_image_is_turned_and_left_alone() -> None:
    with Image.open(io.BytesIO(lying(6, "PNG"))) as image:
        upright = upright_rgb(image)
        assert image.size == (320, 480)
    assert upright.size == (480, 320)
    assert difference(upright) < 1


def test_a_callers_image_of_another_mode_becomes_rgb() -> None:
    assert upright_rgb(Image.new("RGBA", (2, 2))).getpixel((0, 0)) == (255, 255, 255)


def test_a_callers_broken_image_is_a_photo_error() -> None:
    data = lying(1, "JPEG")
    with Image.open(io.BytesIO(data[: len(data) // 2])) as image, pytest.raises(PhotoError) as caught:
        upright_rgb(image)
    assert caught.value.kind == "truncated"


def test_threads_decode_alike() -> None:
    files = [
        (f"photo.{format.lower()}", lying(turn, format)) for format in ("JPEG", "PNG", "TIFF", "HEIF") for turn in STORE
    ]

    def work(file: tuple[str, bytes]) -> bytes:
        name, data = file
        with pytest.raises(PhotoError):
            decode(data[: len(data) // 2], name=name)
        return resize(decode(data, name=name, at_least=(60, 40), allow_truncated=True).image, 60, 40).tobytes()

    one_by_one = [work(file) for file in files]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, files * 2)) == one_by_one * 2


def test_importing_loads_no_other_decoder_and_no_network() -> None:
    heavy = ("torch", "faiss", "rawpy", "pillow_heif")
    check = f"import retrieval.decode, sys; print([name for name in {heavy} if name in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"


def outcome(path: Path) -> str:
    """The kind of failure, or "decoded"; every file within ten seconds."""
    started = time.perf_counter()
    try:
        photo = decode(path.read_bytes(), name=path.name, at_least=(768, 768))
    except PhotoError as error:
        assert error.kind in get_args(FailureKind)
        assert error.reason
        assert str(path.parent) not in error.reason
        return error.kind
    finally:
        assert time.perf_counter() - started < 10
    assert photo.image.mode == "RGB"
    assert min(photo.image.width, photo.image.height) >= min(768, photo.facts.width, photo.facts.height)
    return "decoded"


@pytest.mark.shared
def test_every_hard_file_is_decoded_or_named(shared: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = psutil.Process().memory_info().rss
    files = sorted(path for path in (shared / "hard").rglob("*") if path.is_file())
    counts: Counter[str] = Counter()
    highest = 0
    for path in files:
        counts[outcome(path)] += 1
        highest = max(highest, psutil.Process().memory_info().rss - before)
    assert counts.total() == len(files) > 1000
    assert counts["decoded"] >= 950
    assert counts["empty"] == 1
    assert highest < 1_000_000_000
    assert capfd.readouterr().err == ""


@pytest.mark.shared
@pytest.mark.parametrize("folder", ["camera", "orientation", "pictures"])
def test_every_ordinary_photo_is_decoded(shared: Path, folder: str) -> None:
    files = [path for path in (shared / folder).rglob("*") if path.is_file()]
    assert Counter(map(outcome, files)) == {"decoded": len(files)}


@pytest.mark.shared
def test_camera_photos_know_their_date_and_camera(shared: Path) -> None:
    for path in (shared / "camera").iterdir():
        facts = decode(path.read_bytes(), name=path.name, at_least=(768, 768)).facts
        assert facts.taken_at is not None
        assert facts.camera


@pytest.mark.shared
@pytest.mark.parametrize("kind", ["Landscape", "Portrait"])
def test_real_photos_of_all_orientations_look_alike(shared: Path, kind: str) -> None:
    pixels = [
        resize(decode(path.read_bytes(), name=path.name, at_least=(768, 768)).image, 128, 128).ravel()
        for path in sorted((shared / "orientation").glob(f"{kind}_*.jpg"))
    ]
    assert len(pixels) == 9
    assert np.corrcoef(pixels).min() > 0.98


@pytest.mark.shared
def test_cmyk_and_rgb_of_one_photo_look_alike(shared: Path) -> None:
    folder = shared / "near-duplicates" / "elephants"
    rgb, cmyk = (
        resize(decode((folder / name).read_bytes(), name=name).image, 256, 256).astype(float)
        for name in ("african_elephants.jpg", "african_elephants_cmyk.jpg")
    )
    assert np.abs(rgb - cmyk).mean() < 2
