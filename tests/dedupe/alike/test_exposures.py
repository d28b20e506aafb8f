"""One exposure or two, by noise and by fractions of a pixel."""

import numpy as np
import pytest
from PIL import Image, ImageFilter
from textures import scaled, textured, through
from tripod import shot

from retrieval.dedupe.alike.exposures import Noise, Placement, noise, placement
from retrieval.dedupe.alike.overlay import overlay

SIZE = (480, 360)
FRAME = (0, 0, SIZE[0] - 1, SIZE[1] - 1)
EXACT, SHIFTED, OTHER = Placement


def between(first: Image.Image, second: Image.Image, scale: float = 1.0) -> Noise:
    start = np.array([[scale, 0, scale / 2 - 0.5], [0, scale, scale / 2 - 0.5], [0, 0, 1]])
    return noise(overlay(*(np.ascontiguousarray(np.asarray(one)) for one in (first, second)), start))


@pytest.mark.parametrize("edit", [through("JPEG", quality=95), through("WEBP", quality=95), through("PNG")])
def test_copies_of_one_exposure_have_its_noise(edit):
    photo = shot(textured(1, SIZE), 1, noise=4)
    found = between(photo, edit(photo))
    assert found.is_related
    assert not found.is_unrelated
    assert min(found.first, found.second) > 0.5


@pytest.mark.parametrize("seed", range(2))
def test_two_exposures_have_noise_of_their_own(seed):
    """Even of a soft scene, whose finest structure is noise alone."""
    picture = textured(seed, SIZE)
    found = between(shot(picture, 2 * seed, noise=4), shot(picture, 2 * seed + 1, noise=4))
    assert abs(found.correlation) < 0.15
    assert min(found.first, found.second) > 0.6 * max(found.first, found.second)
    assert found.is_unrelated
    assert not found.is_related


@pytest.mark.parametrize(
    "edit", [through("JPEG", quality=30), lambda photo: photo.filter(ImageFilter.GaussianBlur(1.5))]
)
def test_noise_that_was_taken_away_proves_nothing(edit):
    photo = shot(textured(4, SIZE), 1, noise=4)
    assert not between(photo, edit(photo)).is_unrelated
    assert not between(edit(photo), photo).is_unrelated


def test_a_smaller_copy_has_no_noise_of_its_own():
    photo = shot(textured(5, SIZE), 1, noise=4)
    assert not between(photo, scaled(0.5)(photo), 0.5).is_unrelated


def test_pictures_without_noise_prove_nothing():
    plain = textured(6, SIZE)
    assert not between(plain, through("JPEG", quality=95)(plain)).is_unrelated
    tiny = Image.new("RGB", (20, 20))
    assert between(tiny, tiny) == Noise(0.0, 0.0, 0.0)


def moved(x: float, y: float, scale: float = 1.0) -> np.ndarray:
    return np.array([[scale, 0, x], [0, scale, y], [0, 0, 1]])


HALF = moved(-0.25, -0.25, 0.5)
QUARTERS = np.array([[0, 1, 0], [-1, 0, SIZE[0] - 1], [0, 0, 1]], float)
TRACE = np.array([[1, -0.0005, 0.4], [0.0005, 1, -0.4], [0, 0, 1]])
TURNED = np.array([[np.cos(0.2), -np.sin(0.2), 9], [np.sin(0.2), np.cos(0.2), 4], [0, 0, 1]])


@pytest.mark.parametrize(
    ("transform", "second", "expected"),
    [
        (moved(0, 0), SIZE, EXACT),
        (moved(0.03, -0.02), SIZE, EXACT),  # what tracking leaves uncertain
        (moved(-40, -12), (400, 300), EXACT),  # a crop by whole pixels
        (QUARTERS, SIZE[::-1], EXACT),
        (HALF, (240, 180), EXACT),
        (moved(0.5, 0.5, 2), (960, 720), EXACT),
        (moved(0.5, 0.3), SIZE, SHIFTED),
        (moved(0.0, -0.3), SIZE, SHIFTED),
        (moved(12.4, 7.5), SIZE, SHIFTED),
        (TRACE, SIZE, SHIFTED),
        (moved(-40.5, -12.5), (400, 300), OTHER),  # a crop that was straightened, perhaps
        (moved(3, 5, 0.5), (240, 180), OTHER),  # cut and scaled
        (TURNED, SIZE, OTHER),
    ],
)
def test_how_a_picture_lies_in_another(transform, second, expected):
    assert placement(transform, FRAME, SIZE, second, 0.02) is expected


def test_nothing_is_told_by_an_uncertain_transform():
    for transform in (moved(0, 0), moved(0.5, 0.3)):
        assert placement(transform, FRAME, SIZE, SIZE, 0.3) is OTHER
        assert placement(transform, FRAME, SIZE, SIZE, float("inf")) is OTHER
    assert placement(moved(0.25, 0), FRAME, SIZE, SIZE, 0.19) is not SHIFTED
