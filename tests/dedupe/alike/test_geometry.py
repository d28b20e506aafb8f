from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter, ImageOps
from textures import grey, textured

from retrieval.dedupe.alike.features import Features, extract, mirrored
from retrieval.dedupe.alike.geometry import MIN_MATCHES, Alignment, align, all_matches, matches

SIDE = 160


def laid(first, second) -> Alignment | None:
    [pairs] = matches(first, [second])
    return align(first, second, pairs)


def transformed(picture: Image.Image, degrees: float, scale: float, shift=(0.0, 0.0)) -> tuple[Image.Image, np.ndarray]:
    """The picture turned, scaled and shifted about its centre, in a frame of the same size; and the transform."""
    angle = np.radians(degrees)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = (np.array(picture.size) - 1) / 2
    affine = np.column_stack([linear, centre + shift - linear @ centre])
    back = np.linalg.inv(np.vstack([affine, [0, 0, 1]]))[:2]
    back[:, 2] += 0.5 - back[:, :2] @ [0.5, 0.5]  # Pillow counts from the pixel's corner
    size, data = picture.size, tuple(back.ravel())
    moved = picture.transform(size, Image.Transform.AFFINE, data, Image.Resampling.BICUBIC, fillcolor="grey")
    return moved, affine


def error(found: np.ndarray, true: np.ndarray, size=(SIDE, SIDE)) -> float:
    """The largest distance in pixels, over the frame's middle half."""
    places = [(x * size[0], y * size[1], 1) for x in (0.25, 0.5, 0.75) for y in (0.25, 0.5, 0.75)]
    return max(float(np.linalg.norm((found - true) @ place)) for place in places)


@cache
def surroundings(seed: int) -> Image.Image:
    """A picture three times as wide, so that its middle, turned and shrunk, still has something in every corner."""
    return textured(seed, (3 * SIDE, 3 * SIDE), shapes=150)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    st.integers(0, 3), st.floats(-180, 180), st.floats(0.5, 2), st.floats(-12, 12), st.floats(-12, 12), st.booleans()
)
def test_a_similarity_transform_is_found_within_a_pixel(seed, degrees, scale, x, y, mirror):
    large = surroundings(seed)
    middle = (SIDE, SIDE, 2 * SIDE, 2 * SIDE)
    soft = large.filter(ImageFilter.GaussianBlur(max(0, 0.5 / scale - 0.5)))  # as any good reduction does
    moved, affine = transformed(soft, degrees, scale, (x, y))
    affine[:, 2] += affine[:, :2] @ [SIDE, SIDE] - [SIDE, SIDE]  # between the middles of the two
    picture = ImageOps.mirror(large.crop(middle)) if mirror else large.crop(middle)
    first, second = extract(grey(picture), 400), extract(grey(moved.crop(middle)), 400)
    found = laid(mirrored(first) if mirror else first, second)
    assert found is not None
    assert found.inliers >= 12
    assert error(found.affine, affine) < 1
    assert found.scale == pytest.approx(scale, rel=0.02)
    assert abs((found.degrees - degrees + 180) % 360 - 180) < 1


@pytest.mark.parametrize("seed", range(4))
def test_a_mirrored_picture_is_found_by_mirrored_features(seed):
    picture = textured(seed, (160, 120))
    first, second = extract(grey(picture)), extract(grey(picture)[:, ::-1].copy())
    found = laid(mirrored(first), second)
    assert found is not None
    assert found.affine == pytest.approx(np.array([[1, 0, 0], [0, 1, 0]]), abs=0.1)
    assert found.inliers > 100
    plain = laid(first, second)
    assert plain is None or plain.inliers < 12


def test_the_same_question_has_the_same_answer():
    picture = textured(1, (160, 120))
    first, second = extract(grey(picture)), extract(grey(picture.rotate(20)))
    one, again = laid(first, second), laid(first, second)
    assert np.array_equal(one.affine, again.affine)
    assert one.inliers == again.inliers


def test_there_and_back():
    picture = textured(2, (160, 120))
    first, second = extract(grey(picture)), extract(grey(picture.resize((120, 90))))
    there, back = laid(first, second), laid(second, first)
    assert there.scale == pytest.approx(0.75, abs=0.01)
    assert back.scale == pytest.approx(1 / 0.75, abs=0.02)
    whole = np.vstack([back.affine, [0, 0, 1]]) @ np.vstack([there.affine, [0, 0, 1]])
    assert error(whole[:2], np.eye(3)[:2], (160, 120)) < 1


def test_unrelated_pictures_seldom_agree_and_never_in_many_points():
    features = [extract(grey(textured(seed, (160, 120)))) for seed in range(24)]
    agreed = []
    for number, one in enumerate(features):
        others = features[:number]
        for other, pairs in zip(others, matches(one, others), strict=True):
            found = align(one, other, pairs)
            agreed.append(found.inliers if found else 0)
    assert max(agreed) < 8  # from eight on, two pictures can be told one
    assert np.mean(np.array(agreed) > 0) < 0.02


def test_pictures_without_points_match_nothing():
    plain, other = extract(np.zeros((120, 160), np.uint8)), extract(grey(textured(1, (160, 120))))
    assert [len(pairs) for pairs in matches(plain, [other, plain])] == [0, 0]
    assert [len(pairs) for pairs in matches(other, [plain, other, plain])][::2] == [0, 0]
    assert matches(other, []) == []
    assert laid(plain, other) is None
    assert laid(other, plain) is None


def test_each_point_has_one_match_at_most():
    one, other = (extract(grey(textured(seed, (160, 120)))) for seed in (1, 1))
    [pairs] = matches(one, [other])
    assert len(np.unique(pairs[:, 0])) == len(np.unique(pairs[:, 1])) == len(pairs)


def test_matching_many_at_once_is_matching_each():
    first, *others = (extract(grey(textured(seed, (160, 120)))) for seed in range(5))
    others.append(extract(grey(textured(0, (160, 120)).rotate(30))))
    together = matches(first, others)
    for pairs, other in zip(together, others, strict=True):
        assert np.array_equal(pairs, matches(first, [other])[0])
    firsts = [first, mirrored(first), extract(np.zeros((120, 160), np.uint8))]
    for number, one in enumerate(firsts):
        for pairs, alone in zip(all_matches(firsts, others), matches(one, others), strict=True):
            assert np.array_equal(pairs[number], alone)


def at(points: np.ndarray) -> Features:
    return Features(np.zeros((100, 100), np.uint8), points.astype(np.float32), np.zeros((len(points), 128)), (0,) * 4)


def test_descriptors_on_one_spot_are_not_counted_as_many_points():
    """A star has several directions; each has a descriptor, all of them agree."""
    points = np.column_stack([[[50, 50]] * 40 + [[20, 20], [70, 30], [30, 80]], np.full(43, 5), np.zeros(43)])
    pairs = np.column_stack([np.arange(43)] * 2)
    assert align(at(points), at(points), pairs) is None


@settings(deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.integers(0, 40))
def test_matches_by_chance_hold_no_transform(seed, count):
    draw = np.random.default_rng(seed)
    points = [np.column_stack([draw.uniform(0, 100, (40, 2)), np.full(40, 4), draw.uniform(0, 360, 40)]) for _ in "ab"]
    pairs = np.column_stack([draw.permutation(40)[:count], draw.permutation(40)[:count]])
    found = align(at(points[0]), at(points[1]), pairs)
    assert found is None or MIN_MATCHES <= found.inliers <= 9


@settings(deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.floats(-180, 180), st.floats(0.3, 3))
def test_a_third_of_right_matches_suffices(seed, degrees, scale):
    draw = np.random.default_rng(seed)
    places = draw.uniform(0, 100, (45, 2))
    turn = scale * np.exp(1j * np.radians(degrees))
    moved = (places @ [1, 1j]) * turn + (7 - 3j)
    there = np.column_stack([moved.real, moved.imag, np.full(45, 4 * scale), np.full(45, degrees % 360)])
    there[15:] = np.column_stack([draw.uniform(0, 100, (30, 2)), np.full(30, 4), draw.uniform(0, 360, 30)])
    here = np.column_stack([places, np.full(45, 4), np.zeros(45)])
    found = align(at(here), at(there), np.column_stack([np.arange(45)] * 2))
    assert found is not None
    assert found.inliers >= 11  # some of the fifteen can fall on one pixel when shrunk
    assert found.scale == pytest.approx(scale, rel=0.05)
    assert abs((found.degrees - degrees + 180) % 360 - 180) < 3
