"""One place of two large pictures in full size."""

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps
from textures import scaled, textured
from tripod import png, scene, shot

from retrieval.dedupe.alike.closeup import SIDE, CloseUp, close_up, own_detail
from retrieval.dedupe.alike.overlay import overlay
from retrieval.dedupe.alike.photo_file import PhotoFile

LARGE = (1024, 768)
HAND = 400  # pixels on the longer side of the pictures at hand


def closely(first: PhotoFile, second: PhotoFile, start: np.ndarray, *, mirrored: bool = False) -> CloseUp | None:
    pictures = [file.picture(HAND) for file in (first, second)]
    if mirrored:
        pictures[0] = type(pictures[0])(np.ascontiguousarray(pictures[0].pixels[:, ::-1]), *LARGE)
    laid = overlay(pictures[0].pixels, pictures[1].pixels, start)
    return close_up((first, second), (pictures[0], pictures[1]), laid, mirrored=mirrored)


def test_two_shots_are_told_apart_in_full_size_only():
    """Half a pixel is a sixth of one at a third of the size."""
    picture = scene(1, LARGE)
    other = Image.fromarray(np.roll(np.asarray(picture), (4, 7), (0, 1)))
    found = closely(png(shot(picture, 1)), png(shot(other, 2)), np.eye(3))
    assert found is not None
    left, top, right, bottom = found.place
    assert (right - left, bottom - top) == (SIDE, SIDE)
    assert (left, top) >= (0, 0)
    assert (right, bottom) <= LARGE
    shift = found.to_second[:2, 2] - [7, 4]
    shifts = [np.random.default_rng((seed, 7)).uniform(0, 1, 2) for seed in (1, 2)]
    assert shift + (found.to_second[:2, :2] - np.eye(2)) @ [left, top] == pytest.approx(shifts[1] - shifts[0], abs=0.1)
    assert found.pixels[0].shape == (SIDE, SIDE, 3)


def test_the_mirror_image_is_cut_at_the_same_place():
    picture = scene(2, LARGE)
    found = closely(png(ImageOps.mirror(picture)), png(picture), np.eye(3), mirrored=True)
    assert found is not None
    assert found.laid.residual < 0.05
    assert np.abs(found.to_second - np.eye(3)).max() < 0.1


def test_a_smaller_copy():
    picture = scene(3, LARGE)
    found = closely(png(picture), png(scaled(0.5)(picture)), np.eye(3))
    assert found is not None
    assert found.to_second[0, 0] == pytest.approx(0.5, abs=0.002)
    assert found.to_second[0] @ (600, 450, 1) == pytest.approx(299.75, abs=0.3)
    assert found.laid.residual < 0.2


def test_a_place_that_the_other_hardly_shows():
    picture = scene(4, LARGE)
    assert closely(png(picture), png(picture), np.array([[1, 0, 395.0], [0, 1, 296], [0, 0, 1]])) is None


def own(large: Image.Image, small: Image.Image) -> float:
    factor = small.width / large.width
    to_small = np.array([[factor, 0, factor / 2 - 0.5], [0, factor, factor / 2 - 0.5], [0, 0, 1]])
    return own_detail(np.asarray(large), np.asarray(small), to_small)


@pytest.mark.parametrize("seed", range(2))
def test_a_blown_up_picture_has_nothing_of_its_own(seed):
    """A photo has, beside its smaller copy: even a soft one has its noise."""
    size = (480, 360)
    sharp = shot(scene(seed, size), 1)
    soft = shot(textured(seed, size).filter(ImageFilter.GaussianBlur(3)), 2)
    for photo in (sharp, soft):
        assert own(photo, scaled(0.5)(photo)) > 0.52
        assert own(photo, scaled(0.25)(photo)) > 0.52
    for how in (Image.Resampling.BICUBIC, Image.Resampling.LANCZOS, Image.Resampling.BILINEAR):
        assert own(sharp.resize((960, 720), how), sharp) < 0.4


def test_too_little_in_common_is_no_proof():
    assert own_detail(np.zeros((50, 50, 3), np.uint8), np.zeros((40, 40, 3), np.uint8), np.eye(3)) == 1.0
