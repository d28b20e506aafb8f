"""Two pictures of one scene on one grid."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from textures import blob, cropped, scaled, textured, through, with_subject
from tripod import scene

from retrieval.dedupe.alike.overlay import Overlay, blended, overlay

SIZE = (480, 360)


def pixels(picture: Image.Image) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(picture))


def laid(first: Image.Image, second: Image.Image, start: np.ndarray | None = None) -> Overlay:
    return overlay(pixels(first), pixels(second), np.eye(3) if start is None else start)


def scaling(factor: float) -> np.ndarray:
    """From pixels of a picture to those of a copy, whose centres lie at whole numbers."""
    return np.array([[factor, 0, factor / 2 - 0.5], [0, factor, factor / 2 - 0.5], [0, 0, 1]])


def at(transform: np.ndarray, x: float, y: float) -> np.ndarray:
    return (transform @ (x, y, 1))[:2]


EDITS = {
    "recompressed": through("JPEG", quality=50),
    "blurred": lambda picture: picture.filter(ImageFilter.GaussianBlur(1.5)),
    "sharpened": lambda picture: picture.filter(ImageFilter.UnsharpMask(2, 100, 0)),
    "contrast": lambda picture: ImageEnhance.Contrast(picture).enhance(0.7),
    "grey": lambda picture: picture.convert("L").convert("RGB"),
    "by a red filter": lambda picture: picture.getchannel(0).convert("RGB"),
    "by a blue filter": lambda picture: picture.getchannel(2).convert("RGB"),
}


@pytest.mark.parametrize("name", EDITS)
def test_edits_leave_little_unexplained(name):
    picture = scene(1, SIZE)
    for pair in ((picture, EDITS[name](picture)), (EDITS[name](picture), picture)):
        found = laid(*pair)
        assert found.residual < 0.25
        assert min(found.first_covered, found.second_covered) > 0.99
        assert found.scale == pytest.approx(1, abs=0.002)


def test_unrelated_pictures_explain_nothing():
    assert laid(textured(1, SIZE), textured(2, SIZE)).residual > 0.8


@pytest.mark.parametrize("factor", [0.5, 0.25])
def test_the_grid_is_that_of_the_coarser_picture(factor):
    large = scene(2, SIZE)
    small = scaled(factor)(large)
    there, back = laid(large, small, scaling(factor)), laid(small, large, scaling(1 / factor))
    for found in (there, back):
        assert found.shared.shape == (small.height, small.width)
        assert found.first.shape == found.second_seen.shape == found.shared.shape
        assert {picture.shape for picture in found.colours} == {(small.height, small.width, 3)}
        assert found.residual < 0.2
    assert there.scale == pytest.approx(factor, rel=0.01)
    assert back.scale == pytest.approx(1 / factor, rel=0.01)
    assert at(there.to_first, 60, 40) == pytest.approx((61 / factor - 1, 41 / factor - 1), abs=1.5)
    assert at(back.to_first, 60, 40) == pytest.approx((60, 40))
    assert at(there.to_second, 200, 100) == pytest.approx(at(scaling(factor), 200, 100), abs=0.3)


def test_how_much_each_shows_of_the_other():
    picture = scene(3, SIZE)
    part = cropped(0.3)(picture)
    side = 0.7**0.5
    start = np.array([[1, 0, -0.7 * (1 - side) * 480 + 2], [0, 1, -0.4 * (1 - side) * 360 - 2], [0, 0, 1]])
    found = laid(picture, part, start)
    assert found.first_covered == pytest.approx(0.7, abs=0.02)
    assert found.second_covered > 0.985
    back = laid(part, picture, np.linalg.inv(start))
    assert back.second_covered == pytest.approx(0.7, abs=0.02)
    assert back.first_covered > 0.985
    left, top = round(0.7 * (1 - side) * 480), round(0.4 * (1 - side) * 360)
    assert at(found.to_second, 200, 150) == pytest.approx((200 - left, 150 - top), abs=0.15)


def test_a_border_is_no_part_of_the_frame():
    picture = scene(4, SIZE)
    bordered = ImageOps.expand(picture, 20, "white")
    found = laid(picture, bordered, np.array([[1, 0, 20.0], [0, 1, 20.0], [0, 0, 1]]))
    assert min(found.first_covered, found.second_covered) > 0.98
    assert found.residual < 0.1


def test_what_differs_stays_to_be_seen():
    """The blend follows the scene, not the subject that came."""
    background = scene(5, SIZE)
    found = laid(background, with_subject(background, blob(7, 25), (200, 150)))
    apart = np.abs(found.first - found.second)
    assert float(apart[155:195, 205:245].mean()) > 15
    assert float(np.median(apart)) < 1


def test_a_blend_of_blurs_finds_the_blur_again():
    picture = np.asarray(scene(6, SIZE).convert("L"), dtype=np.float32)
    soft = np.asarray(scene(6, SIZE).filter(ImageFilter.GaussianBlur(1)).convert("L"), dtype=np.float32)
    low = np.full_like(picture, picture.mean())
    shared = np.ones(picture.shape, np.uint8)
    blend, left = blended(picture, low, soft - low, shared)
    assert left < 0.1
    assert float(np.abs(blend - (soft - low)).mean()) < 1.5
    _, nothing = blended(picture, low, soft - low, np.zeros_like(shared))
    assert nothing == 1.0
