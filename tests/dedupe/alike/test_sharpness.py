"""Which of two pictures has more detail, and whether the focus lay elsewhere."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter
from textures import through
from tripod import scene, shot

from retrieval.dedupe.alike.overlay import overlay
from retrieval.dedupe.alike.sharpness import Sharpness, sharpness

SIZE = (480, 360)


def between(first: Image.Image, second: Image.Image) -> Sharpness:
    return sharpness(overlay(*(np.ascontiguousarray(np.asarray(one)) for one in (first, second)), np.eye(3)))


def two_planes(seed: int, softness: float) -> list[Image.Image]:
    """The same scene, focused on its upper half and on its lower half."""
    sharp = scene(seed, SIZE)
    soft = sharp.filter(ImageFilter.GaussianBlur(softness))
    lower = Image.new("L", SIZE)
    ImageDraw.Draw(lower).rectangle((0, 180, *SIZE), fill=255)
    lower = lower.filter(ImageFilter.GaussianBlur(20))
    return [Image.composite(sharp, soft, lower), Image.composite(soft, sharp, lower)]


def test_two_exposures_are_equally_sharp():
    picture = scene(1, SIZE)
    found = between(shot(picture, 1), shot(picture, 2))
    assert abs(found.typical) < 0.25
    assert found.exchanged < 0.005


@pytest.mark.parametrize("radius", [1.5, 3])
def test_what_was_blurred_has_lost_detail(radius):
    picture = scene(2, SIZE)
    soft = picture.filter(ImageFilter.GaussianBlur(radius))
    found, back = between(picture, soft), between(soft, picture)
    assert found.typical < -0.7
    assert found.lost > 0.5
    assert back.typical == pytest.approx(-found.typical, abs=0.1)
    assert back.lost == pytest.approx(found.lost, abs=0.1)
    assert max(found.exchanged, back.exchanged) < 0.01


def test_what_was_sharpened_has_gained_nothing():
    """The sharpening can be undone: the picture that looks softer tells all of it."""
    picture = scene(3, SIZE)
    found = between(picture, picture.filter(ImageFilter.UnsharpMask(2, 120, 0)))
    assert found.typical > 0
    assert found.lost < 0.35
    assert found.exchanged < 0.01


@pytest.mark.parametrize("softness", [2, 4])
def test_two_focus_distances(softness):
    first, second = (shot(picture, number) for number, picture in enumerate(two_planes(4, softness)))
    found = between(first, second)
    assert found.exchanged > 0.1


def test_contrast_and_compression_move_no_focus():
    picture = scene(5, SIZE)
    for edit in (ImageEnhance.Contrast(picture).enhance(0.6), through("JPEG", quality=40)(picture)):
        assert between(picture, edit).exchanged < 0.01


def test_one_part_that_was_blurred():
    picture = scene(6, SIZE)
    after = picture.copy()
    after.paste(picture.crop((150, 90, 300, 240)).filter(ImageFilter.GaussianBlur(5)), (150, 90))
    found, back = between(picture, after), between(after, picture)
    assert found.lower > 0.05
    assert found.higher < 0.01
    assert back.higher == pytest.approx(found.lower, abs=0.02)


def test_plain_pictures_have_no_detail_to_compare():
    plain = Image.new("RGB", SIZE, "grey")
    assert between(plain, plain) == Sharpness(0.0, 0.0, 0.0, 0.0)
