import numpy as np
import pytest
from PIL import ImageOps
from textures import EDITS, grey, textured

from retrieval.decode.preview import SIDE
from retrieval.dedupe.alike.features import WIDTH, Features, extract, mirrored
from retrieval.dedupe.alike.sketch import DIMENSION, sketch, unit


def features(picture) -> Features:
    small = picture.copy()
    small.thumbnail((SIDE, SIDE))
    return extract(grey(small))


def cosine(first, second) -> float:
    one, other = unit(np.stack([sketch(first), sketch(second)])).astype(np.float32)
    return float(one @ other)


def invented(count: int, seed: int = 0) -> Features:
    """Features of no picture, the same on every machine."""
    descriptors = np.random.RandomState(seed).randint(0, 160, (count, WIDTH)).astype(np.uint8)
    return Features(np.zeros((9, 9), np.uint8), np.zeros((count, 4), np.float32), descriptors, (0, 0, 0, 0))


def test_a_sketch_is_small():
    found = sketch(features(textured(1)))
    assert (found.shape, found.dtype) == ((DIMENSION,), np.int8)
    assert np.abs(found.astype(int)).max() == 127
    assert np.array_equal(found, sketch(features(textured(1))))


def test_no_points_no_sketch():
    assert not sketch(invented(0)).any()
    nothing = unit(np.zeros((2, DIMENSION), np.int8))
    assert (nothing == 0).all()
    assert unit(np.zeros((0, DIMENSION), np.int8)).shape == (0, DIMENSION)


def test_unit_vectors():
    some = unit(np.stack([sketch(features(textured(seed))) for seed in range(3)]))
    assert some.dtype == np.float16
    assert np.linalg.norm(some.astype(np.float32), axis=1) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("mirrored", 0.9),
        ("rotated", 0.8),
        ("grey", 0.9),
        ("warmer", 0.7),
        ("half", 0.7),
        ("recompressed", 0.6),
        ("watermarked", 0.6),
        ("contrast", 0.5),
        ("brighter", 0.4),
        ("sharpened", 0.3),
        ("crop 10 %", 0.3),
        ("crop 25 %", 0.25),
        ("quarter", 0.2),
    ],
)
def test_versions_of_one_picture_have_like_sketches(seed, name, least):
    picture = textured(seed)
    assert cosine(features(picture), features(EDITS[name](picture))) >= least


def test_a_mirrored_picture_has_the_same_sketch():
    found = features(textured(4))
    assert np.array_equal(sketch(found), sketch(mirrored(found)))
    assert cosine(found, features(ImageOps.mirror(textured(4)))) > 0.9


def test_sketches_of_other_pictures_are_nothing_like_it():
    found = unit(np.stack([sketch(features(textured(seed, (160, 120)))) for seed in range(12)])).astype(np.float32)
    others = (found @ found.T)[np.triu_indices(12, 1)]
    assert others.mean() < 0.3  # these pictures are of one kind: of one make, they share some
    assert others.max() < 0.5


def test_sketches_do_not_change_from_version_to_version():
    """Stored ones are compared with new ones: whatever changes them must change RULES as well."""
    found = sketch(invented(40)).astype(int)
    assert np.abs(found[:12] - [-2, -6, -62, 12, -2, 38, -34, 40, 25, -31, -1, 33]).max() <= 1
    assert found.sum() == pytest.approx(1560, abs=60)
    assert np.abs(found).sum() == pytest.approx(13614, abs=60)
    again = sketch(invented(40, seed=1)).astype(int)
    assert np.abs(found - again).mean() > 10


def test_the_order_of_points_makes_no_difference():
    one = invented(30)
    turned = Features(one.grey, one.points[::-1], one.descriptors[::-1].copy(), one.border)
    assert np.abs(sketch(one).astype(int) - sketch(turned)).max() <= 1
