import base64
import io
import math
import sqlite3

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from textures import EDITS, cropped, grey, saved, scaled, textured, through

from retrieval.decode.preview import SIDE, make_preview, perceptual_hash

# A JPEG of 48 x 32 pixels, as it was saved once: encoders differ between versions.
RAMPS = """
/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19iZ2hnPk1xeX
BkeFxlZ2P/2wBDARESEhgVGC8aGi9jQjhCY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2P/wAARCAAg
ADADASIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhBy
JxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKT
lJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAA
AAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRom
JygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExc
bHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/9oADAMBAAIRAxEAPwDHhil/v/o1X4Ypf7/6NVKHzP7yf98D/GtCHzP7yf8AfA/xr2MV
Un/V/wDI5Yxj3/IpXUUv21/n9OzegqeGKX+/+jVFdeZ9tf5k7fwD0HvU8Pmf3k/74H+NKdSfso+i7/5Aoxvv+RHqEUv7n5/Xs3tSQxS/3/0an6
h5n7n5k7/wD296SHzP7yf98D/GlCpP2C+ffv6Bywvv+RThR/8AnkP+/n/16vwo/wDzyH/fz/69ZMM7/wCc1fhnf/OanFRl2X9fM7Yxl3/MZdI/
21/3Q7f8tPYe9Two/wDzyH/fz/69Ubqd/tr/AIevoKnhnf8AzmlOMvZR0Wy/rcFGV9/zJdQR/wBz+6Hf/lp9Pemwo/8AzyH/AH8/+vUWoTv+5/
H19qbDO/8AnNKEZewWi6/n6jtK+/5n/9k=
"""


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
    ones = [int.from_bytes(make_preview(textured(seed)).hash).bit_count() for seed in range(3)]
    assert ones == [32, 32, 32]  # split at the median


def test_the_hash_does_not_change_from_version_to_version():
    """Stored hashes are compared with new ones, and with those of other machines."""
    assert perceptual_hash(base64.b64decode(RAMPS)).hex() == "523c3c61c7c3a96b"


@pytest.mark.parametrize("size", [(160, 120), (97, 160), (31, 5), (1, 1)])
def test_a_hash_is_that_of_whole_numbers(size):
    """Computed once more, without NumPy and without a float: symmetric pictures have many equal frequencies."""
    half = np.asarray(textured(7, size).convert("L"))
    symmetric = Image.fromarray(np.maximum(half, half[:, ::-1]))
    for picture in (textured(8, size), symmetric, Image.new("RGB", size, "teal")):
        thumbnail = make_preview(picture.convert("RGB")).thumbnail
        with opened(thumbnail) as small:
            small.draft("L", None)
            luma = np.asarray(small).tolist()
        columns = [whole_frequencies(row) for row in luma]
        both = [whole_frequencies(column) for column in zip(*columns, strict=True)]
        values = [value for row in zip(*both, strict=True) for value in row]
        median = sum(sorted(values)[31:33])  # twice the median
        bits = "".join(str(int(2 * value > median)) for value in values)
        assert perceptual_hash(thumbnail) == int(bits, 2).to_bytes(8)


def whole_frequencies(line):
    """The eight lowest frequencies of a line of numbers but the constant one, times 4096 x 32."""
    samples = []
    for start in range(0, 32 * len(line), len(line)):
        places = range(start, start + len(line))  # in 32nds of a pixel
        samples.append(sum(line[place // 32] for place in places))
    table = [round(4096 * math.cos(math.pi * step / 64)) for step in range(128)]
    return [sum(table[f * (2 * i + 1) % 128] * one for i, one in enumerate(samples)) for f in range(1, 9)]


def test_a_plain_picture_has_an_empty_hash():
    for colour in ("black", "grey", "white", "teal"):
        assert make_preview(Image.new("RGB", (300, 200), colour)).hash == bytes(8)


def test_a_grey_level_here_and_there_moves_few_bits():
    """Another decoder's last bit: what compares hashes allows for it."""
    draw = np.random.default_rng(0)
    for seed in range(6):
        picture = textured(seed)
        pixels = np.asarray(picture, dtype=np.int16)
        other = np.clip(pixels + draw.integers(-1, 2, pixels.shape), 0, 255).astype(np.uint8)
        assert distance(make_preview(picture).hash, make_preview(Image.fromarray(other)).hash) <= 2


def test_what_is_no_thumbnail_has_no_hash():
    whole = make_preview(textured(1)).thumbnail
    large = io.BytesIO()
    textured(1).save(large, "JPEG")
    for damaged in (b"", b"new", whole[:20], whole[: len(whole) // 2], large.getvalue()):
        with pytest.raises(OSError):
            perceptual_hash(damaged)


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
        connection.execute("DELETE FROM preview")
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
