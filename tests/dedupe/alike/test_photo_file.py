"""One photo file: its pixels at the size asked for, and what it says."""

import numpy as np
import pytest
from PIL import Image
from textures import saved, textured
from tripod import jpeg, png, settings

from retrieval.dedupe.alike.photo_file import PhotoFile, of_image
from retrieval.errors import PhotoError

SIZE = (640, 480)


@pytest.mark.parametrize("make", [jpeg, png])
def test_pixels_at_most_as_large_as_asked_for(make):
    file = make(textured(1, SIZE))
    for side in (100, 400, 640, 2000):
        found = file.picture(side)
        high, wide = found.pixels.shape[:2]
        assert max(high, wide) == min(side, 640)
        assert wide / high == pytest.approx(4 / 3, abs=0.02)
        assert (found.width, found.height) == SIZE
        assert found.is_whole == (side >= 640)
        assert found.pixels.dtype == np.uint8
        assert found.pixels.flags.c_contiguous


def test_pictures_are_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the top of the scene lies on the right
    file = jpeg(textured(2, SIZE), 98, exif=exif.tobytes())
    upright = np.asarray(textured(2, SIZE).transpose(Image.Transpose.ROTATE_270), dtype=int)
    found = file.picture(2000)
    assert (found.width, found.height) == SIZE[::-1]
    assert found.is_whole
    assert np.abs(found.pixels - upright).mean() < 5
    small = file.picture(160)
    assert small.pixels.shape == (160, 120, 3)
    assert (small.width, small.height) == SIZE[::-1]
    assert file.whole().size == SIZE[::-1]


def test_grey_and_transparent_pictures_become_rgb():
    assert png(textured(3).convert("L")).picture(100).pixels.shape == (75, 100, 3)
    assert png(textured(3).convert("RGBA")).picture(100).pixels.shape == (75, 100, 3)
    grey = of_image(textured(3).convert("L"), 100)
    assert np.array_equal(grey.pixels[..., 0], grey.pixels[..., 2])


def test_pixels_are_decoded_once_for_each_size():
    file = png(textured(4))
    assert file.picture(100) is file.picture(100)
    assert file.picture(100) is not file.picture(80)


def test_an_image_at_hand_is_left_as_it_is():
    image = textured(5, SIZE)
    found = of_image(image, 200)
    assert found.pixels.shape == (150, 200, 3)
    assert (found.width, found.height) == image.size == SIZE
    assert not found.is_whole
    assert of_image(image, 1024).is_whole
    assert of_image(image, 1024, 4000, 3000).is_whole is False


def test_what_the_file_says():
    facts = jpeg(textured(6), exif=settings(exposure_s=1 / 60, second=5)).facts
    assert facts.exposure_s == pytest.approx(1 / 60)
    assert facts.model is not None
    assert facts.taken_at is not None
    assert facts.taken_at.second == 5
    assert png(textured(6)).facts.taken_at is None


def test_what_the_file_holds():
    transparent = textured(7).convert("RGBA")
    assert not png(transparent).holdings.may_be_transparent, "nothing shows through it"
    transparent.putpixel((5, 5), (0, 0, 0, 0))
    assert png(transparent).holdings.may_be_transparent
    assert not jpeg(textured(7)).holdings.may_be_transparent


def test_files_that_cannot_be_read(tmp_path):
    path = saved(textured(8), tmp_path / "photo.jpg")
    assert PhotoFile.read(path).name == "photo.jpg"
    assert PhotoFile.read(path).picture(50).pixels.shape == (38, 50, 3)
    with pytest.raises(PhotoError):
        PhotoFile.read(tmp_path / "none.jpg")
    with pytest.raises(PhotoError):
        PhotoFile(b"no picture at all", "photo.jpg").picture(100)
    with pytest.raises(PhotoError):
        PhotoFile(path.read_bytes()[:30], "photo.jpg").whole()
