import io
import sqlite3

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from textures import EDITS, cropped, grey, saved, scaled, textured, through

from retrieval.decode.preview import SIDE, make_preview, perceptual_hash


def distance(first: bytes, second: bytes) -> int:
    return (int.from_bytes(first) ^ int.from_bytes(second)).bit_count()


def opened(thumbnail: bytes) -> Image.Image:
    return Image.open(io.BytesIO(thumbnail))


@settings(deadline=None)
@given(st.integers(1, 900), st.integers(1, 900))
def test_a_thumbnail_keeps_the_proportions_and_never_grows(width, height):
    with opened(make_preview(Image.new("RGB", (width, height), "teal")).thumbnail) as small:
        assert small.format == "JPEG"
        assert max(small.size) == min(SIDE, max(width, height))
        factor = max(small.size) / max(width, height)
        assert abs(small.width - width * factor) <= 1
        assert abs(small.height - height * factor) <= 1


def test_a_look_is_small_and_always_the_same():
    first, again = make_preview(textured(1, (800, 600))), make_preview(textured(1, (800, 600)))
    assert first == again
    assert len(first.hash) == 8
    assert len(first.thumbnail) < 12_000  # of a picture with more detail than most


def test_looking_changes_nothing():
    picture = textured(2)
    before = picture.tobytes()
    make_preview(picture)
    assert (picture.tobytes(), picture.size) == (before, (320, 240))


@pytest.mark.parametrize("name", ["recompressed", "WebP", "half", "quarter", "warmer", "grey", "sharpened"])
def test_hashes_of_versions_differ_in_few_bits(name):
    for seed in range(6):
        picture = textured(seed)
        assert distance(make_preview(picture).hash, make_preview(EDITS[name](picture)).hash) <= 6


def test_hashes_of_other_pictures_differ_in_about_half_of_their_bits():
    hashes = [make_preview(textured(seed)).hash for seed in range(12)]
    apart = [distance(one, other) for number, one in enumerate(hashes) for other in hashes[:number]]
    assert min(apart) >= 14
    assert 28 <= np.mean(apart) <= 36


def test_a_hash_has_both_values_as_often():
    assert all(perceptual_hash(textured(seed)).hex() != "0" * 16 for seed in range(3))
    ones = [int.from_bytes(perceptual_hash(textured(seed))).bit_count() for seed in range(3)]
    assert ones == [32, 32, 32]  # split at the median


def test_the_hash_does_not_change_from_version_to_version():
    """Stored hashes are compared with new ones."""
    ramp = np.add.outer(np.arange(32) ** 2 % 97, np.arange(32) * 5 % 89).astype(np.uint8)
    assert perceptual_hash(Image.fromarray(ramp)).hex() == "55ea4967991398ae"


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (3, 2)])
def test_the_smallest_and_the_longest_pictures_have_a_look(size):
    assert make_preview(Image.new("RGB", size, "red")).thumbnail


def test_indexing_keeps_looks_upright(index, tmp_path):
    upright = textured(3)
    exif = Image.Exif()
    exif[274] = 6  # to be turned a quarter clockwise
    turned = saved(upright.transpose(Image.Transpose.ROTATE_90), tmp_path / "a" / "turned.jpg", exif=exif)
    plain = saved(upright, tmp_path / "a" / "plain.png")
    broken = tmp_path / "a" / "broken.jpg"
    broken.write_bytes(b"no photo")
    index.add(tmp_path / "a")
    with opened(index.thumbnail(turned)) as one, opened(index.thumbnail(plain)) as other:
        assert one.size == other.size == (160, 120)
        assert np.corrcoef(grey(one).ravel(), grey(other).ravel())[0, 1] > 0.99
    assert index.thumbnail(broken) is None
    assert index.thumbnail(tmp_path / "elsewhere.jpg") is None
    assert index.thumbnail(tmp_path / "a" / "unknown.jpg") is None


def test_looks_that_an_older_index_lacks_are_made_by_the_next_find(index, tmp_path):
    picture = textured(4)
    first = saved(picture, tmp_path / "a" / "first.jpg", quality=95)
    second = saved(scaled(0.5)(picture), tmp_path / "a" / "second.jpg", quality=90)
    gone = saved(textured(5), tmp_path / "a" / "gone.jpg")
    index.add(tmp_path / "a")
    kept = {path: index.thumbnail(path) for path in (first, second)}
    with sqlite3.connect(index.folder / "catalogue.sqlite") as connection:
        connection.execute("DELETE FROM look")
    connection.close()
    assert index.thumbnail(first) is None
    gone.unlink()
    [group] = index.duplicates().plan.groups
    assert {group.keeper.path, *(member.file.path for member in group.members)} == {first, second}
    assert {path: len(index.thumbnail(path)) for path in kept} == pytest.approx(
        {path: len(data) for path, data in kept.items()}, rel=0.1
    )
    assert index.thumbnail(gone) is None


def test_mirroring_and_cropping_are_for_local_features_to_see():
    """What hashes alone would miss: the reason for keypoints."""
    picture = textured(6)
    for changed in (ImageOps.mirror(picture), cropped(0.25)(picture), through("PNG")(picture).rotate(90, expand=True)):
        assert distance(make_preview(picture).hash, make_preview(changed).hash) > 10
