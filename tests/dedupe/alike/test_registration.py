"""One picture laid upon another to a fraction of a pixel."""

import cv2
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter
from textures import blob, grey, textured, through, with_subject
from tripod import scene

from retrieval.dedupe.alike.registration import register, smoothed, warped, warped_mask, within

SIZE = (400, 300)  # (width, height)
SHAPE = SIZE[::-1]
CORNERS = np.array([(x, y, 1) for x in (0, SIZE[0]) for y in (0, SIZE[1])], float).T
MOVES = {  # what takes places of the reference to places of the other
    "a third of a pixel": np.array([[1, 0, 0.33], [0, 1, -0.41], [0, 0, 1]]),
    "some pixels": np.array([[1, 0, 5.6], [0, 1, -3.2], [0, 0, 1]]),
    "turned and scaled": np.array([[1.006, -0.012, 2.5], [0.012, 1.006, -1.5], [0, 0, 1]]),
    "sheared": np.array([[1.004, 0.006, -2.0], [0.0, 0.997, 1.2], [0, 0, 1]]),
}


def seen(picture: np.ndarray, move: np.ndarray) -> np.ndarray:
    """The picture as it looks after a move."""
    return cv2.warpAffine(picture, move[:2], SIZE, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def error(found: np.ndarray, true: np.ndarray) -> float:
    """The largest distance at a corner, in pixels."""
    return float(np.linalg.norm(((found - true) @ CORNERS)[:2], axis=0).max())


def everywhere() -> np.ndarray:
    return np.ones(SHAPE, np.uint8)


@pytest.mark.parametrize("name", MOVES)
def test_a_move_is_found_to_a_fraction_of_a_pixel(name):
    picture, move = grey(scene(1, SIZE)), MOVES[name]
    found = register(picture, seen(picture, move), np.eye(3), everywhere())
    assert found.points > 0
    assert error(found.transform, move) < 0.12
    assert error(found.transform, move) < max(0.12, 3 * found.uncertain)
    assert found.uncertain < 0.1


def test_tone_and_compression_move_nothing():
    """What editors do to light must not look like a camera that moved."""
    picture = scene(2, SIZE)
    edits = [
        ImageEnhance.Brightness(picture).enhance(0.5),
        ImageEnhance.Contrast(picture).enhance(1.5),
        through("JPEG", quality=40)(picture),
        picture.filter(ImageFilter.GaussianBlur(1)),
    ]
    for edit in edits:
        found = register(grey(picture), grey(edit), np.eye(3), everywhere())
        assert error(found.transform, np.eye(3)) < 0.15


def test_a_large_subject_that_moved_is_outvoted():
    background, subject = scene(3, SIZE), blob(9, 60)
    first, second = (grey(with_subject(background, subject, (x, 80))) for x in (100, 112))
    move = MOVES["a third of a pixel"]
    assert error(register(first, seen(second, move), np.eye(3), everywhere()).transform, move) < 0.15


def test_plain_pictures_are_left_as_they_lie():
    plain = np.full(SHAPE, 128, np.uint8)
    start = MOVES["some pixels"]
    found = register(plain, plain, start, everywhere())
    assert found.points == 0
    assert np.array_equal(found.transform, start)
    assert found.uncertain == float("inf")


def test_unrelated_pictures_are_not_laid_upon_each_other_with_certainty():
    found = register(grey(textured(1, SIZE)), grey(textured(2, SIZE)), np.eye(3), everywhere())
    assert found.points == 0 or found.uncertain > 0.1


def test_nothing_outside_of_the_mask_counts():
    """A border that was added holds the pictures in place, where it counts."""
    picture, move = grey(scene(4, SIZE)), MOVES["a third of a pixel"]
    other = seen(picture, move)
    wrong = seen(picture, MOVES["some pixels"])
    other[:, 200:] = wrong[:, 200:]
    inside = within(SHAPE, (0, 0, 0, 200))
    found = register(picture, other, np.eye(3), inside)
    places = CORNERS.copy()
    places[0] = np.clip(places[0], 0, 200)
    assert float(np.linalg.norm(((found.transform - move) @ places)[:2], axis=0).max()) < 0.2


def test_masks_end_where_the_picture_ends():
    inside = within((100, 80), (10, 0, 5, 0))
    assert inside.sum() == 90 * 75
    assert not inside[:10].any()
    assert not inside[:, :5].any()
    moved = warped_mask(inside, np.array([[1, 0, 20], [0, 1, 0], [0, 0, 1]], float), (100, 80))
    assert not moved[:, 60:].any()
    assert moved[10:, :60].all()
    edge = warped(np.full((100, 80), 77, np.uint8), np.array([[1, 0, 20], [0, 1, 0], [0, 0, 1.0]]), (100, 80), 1)
    assert (edge == 77).all()


@pytest.mark.parametrize("shape", [(300, 400), (301, 403), (40, 41)])
def test_the_fast_blur_is_nearly_gaussian(shape):
    picture = np.asarray(Image.fromarray(grey(scene(5, SIZE))).resize(shape[::-1]), dtype=np.float32)
    fast, exact = smoothed(picture, 8.0), cv2.GaussianBlur(picture, (0, 0), 8.0)
    assert fast.shape == shape
    middle = np.s_[8:-8, 8:-8]
    assert float(np.abs(fast - exact)[middle].mean()) < 1.0
