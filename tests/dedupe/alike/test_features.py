import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from textures import grey, textured

from retrieval.decode.preview import make_preview
from retrieval.dedupe.alike.features import (
    MIRROR,
    WIDTH,
    border,
    extract,
    grey_of,
    mirrored,
    of_thumbnail,
    rooted,
)


def pictures(count=4, size=(160, 120)):
    return [grey(textured(seed, size)) for seed in range(count)]


def test_points_lie_in_the_picture_and_are_the_strongest():
    [picture] = pictures(1)
    features = extract(picture)
    assert len(features) == 150
    assert features.points.dtype == np.float32
    assert (features.descriptors.dtype, features.descriptors.shape) == (np.uint8, (150, WIDTH))
    assert (features.points[:, :2] >= 0).all()
    assert (features.points[:, :2] <= [159, 119]).all()
    assert len(extract(picture, limit=20)) == 20
    assert len(extract(picture, limit=400)) > 150


def test_the_same_picture_has_the_same_features():
    [picture] = pictures(1)
    first, again = extract(picture), extract(picture.copy())
    assert np.array_equal(first.points, again.points)
    assert np.array_equal(first.descriptors, again.descriptors)


@pytest.mark.parametrize("shade", [0, 90, 255])
def test_a_plain_picture_has_no_points(shade):
    features = extract(np.full((120, 160), shade, np.uint8))
    assert len(features) == 0
    assert features.points.shape == (0, 4)
    assert features.descriptors.shape == (0, WIDTH)
    assert len(mirrored(features)) == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 160), (160, 1), (2, 2), (3, 160), (160, 5)])
def test_pictures_of_hardly_any_size(size):
    picture = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    assert mirrored(extract(picture)).grey.shape == size


def test_mirrored_features_are_those_of_the_mirrored_picture():
    for picture in pictures():
        calculated, seen = mirrored(extract(picture)), extract(np.ascontiguousarray(picture[:, ::-1]))
        assert np.array_equal(calculated.grey, seen.grey)
        offset = calculated.points[:, None, :2] - seen.points[None, :, :2]
        turned = np.abs((calculated.points[:, None, 3] - seen.points[None, :, 3] + 180) % 360 - 180)
        apart = np.linalg.norm(offset, axis=2) + turned / 10
        same = apart.argmin(axis=1)
        close = apart.min(axis=1) < 0.5
        assert close.mean() > 0.85
        shift = offset[np.arange(len(same)), same][close]
        assert np.abs(shift.mean(axis=0)).max() < 0.05  # half a pixel would show as a moved picture
        alike = (rooted(calculated.descriptors) * rooted(seen.descriptors[same])).sum(axis=1)[close]
        assert np.median(alike) > 0.995
        assert (alike > 0.9).mean() > 0.97


def test_mirroring_twice_gives_the_same():
    [picture] = pictures(1)
    features = extract(picture)
    twice = mirrored(mirrored(features))
    assert np.array_equal(MIRROR[MIRROR], np.arange(WIDTH))
    assert np.array_equal(twice.descriptors, features.descriptors)
    assert np.array_equal(twice.grey, features.grey)
    assert twice.points == pytest.approx(features.points, abs=1e-3)
    assert twice.border == features.border


def test_features_of_a_thumbnail_are_those_of_its_pixels():
    """It keeps the JPEG, which is decoded again when its pixels are asked for."""
    jpeg = make_preview(textured(5)).thumbnail
    found, pixels = of_thumbnail(jpeg), extract(grey_of(jpeg))
    assert found.shape == pixels.shape == (120, 160)
    assert np.array_equal(found.grey, pixels.grey)
    assert np.array_equal(found.points, pixels.points)
    assert np.array_equal(found.descriptors, pixels.descriptors)
    assert found.border == pixels.border
    assert np.array_equal(mirrored(found).points, mirrored(pixels).points)
    assert np.array_equal(mirrored(found).grey, mirrored(pixels).grey)
    assert mirrored(mirrored(found)).shape == (120, 160)


def test_no_border():
    for picture in pictures():
        assert border(picture) == (0, 0, 0, 0)


@settings(deadline=None, max_examples=50)
@given(
    st.tuples(*[st.integers(1, 20)] * 4),
    st.sampled_from(["white", "black", "navy"]),
    st.integers(0, 3),
)
def test_a_border_is_seen_on_every_side(widths, colour, seed):
    top, bottom, left, right = widths
    inner = textured(seed, (200 - left - right, 150 - top - bottom))
    inner = Image.blend(inner, Image.new("RGB", inner.size, "grey"), 0.3)  # nowhere as dark or light as the border
    framed = ImageOps.expand(inner, (left, top, right, bottom), colour)
    for found, width in zip(border(grey(framed)), widths, strict=True):
        assert width <= found <= width + 1  # where it ends, a line more: shades run into each other
    top, bottom, left, right = mirrored(extract(grey(framed))).border
    assert (top, bottom, right, left) == border(grey(framed))


def test_a_border_is_at_most_a_fifth_of_the_picture():
    assert border(np.full((100, 200), 7, np.uint8)) == (20, 20, 40, 40)


def test_a_plain_sky_that_grows_darker_is_no_border_all_the_way():
    sky = np.repeat(np.linspace(200, 80, 100)[:, None], 150, axis=1).astype(np.uint8)
    assert border(sky)[0] <= 7


@given(st.integers(0, 2**32 - 1), st.integers(0, 9))
def test_rooted_descriptors_are_unit_vectors(seed, count):
    descriptors = np.random.default_rng(seed).integers(0, 256, (count, WIDTH), dtype=np.uint8)
    descriptors[:1] = 0
    lengths = np.linalg.norm(rooted(descriptors), axis=1)
    assert lengths[1:] == pytest.approx(1, abs=1e-5)
    assert (lengths[:1] == 0).all()
