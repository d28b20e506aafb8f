import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from textures import EDITS, blob, cropped, framed, grey, saved, textured, with_subject

from retrieval.dedupe.alike.agreement import NOTHING, Agreement, agreement
from retrieval.dedupe.alike.features import Features, border, extract

SAME_PLACE = np.array([[1.0, 0, 0], [0, 1, 0]])


def pixels(picture) -> Features:
    """As `extract` gives it, without its points: only its pixels and border are asked for here."""
    values = grey(picture) if isinstance(picture, Image.Image) else picture
    return Features(values, np.zeros((0, 4), np.float32), np.zeros((0, 128), np.uint8), border(values))


def compared(first, second, affine=SAME_PLACE) -> Agreement:
    return agreement(pixels(first), pixels(second), affine)


@pytest.mark.parametrize("size", [(160, 120), (120, 160), (384, 256), (160, 20)])
def test_a_picture_agrees_with_itself(size):
    found = compared(textured(1, size), textured(1, size))
    assert found.correlation == pytest.approx(1, abs=1e-5)
    assert (found.missing_first, found.missing_second, found.disagreeing, found.exchanged) == (0, 0, 0, 0)
    assert (found.covers_first, found.covers_second) == (1, 1)


@pytest.mark.parametrize("name", ["brighter", "contrast", "warmer", "grey", "sharpened", "recompressed"])
@pytest.mark.parametrize("seed", range(3))
def test_light_colour_and_compression_are_no_disagreement(name, seed):
    found = compared(textured(seed), EDITS[name](textured(seed)))
    assert found.correlation > 0.95
    assert found.disagreeing < 0.01
    back = compared(EDITS[name](textured(seed)), textured(seed))
    assert back.correlation == pytest.approx(found.correlation, abs=1e-3)


@settings(deadline=None)
@given(st.floats(0.4, 1), st.floats(-60, 60))
def test_gain_and_offset_change_nothing(gain, offset):
    dim = textured(1, (160, 120)).point(lambda value: 64 + value // 2)  # room above and below
    values = grey(dim).astype(np.float64)
    other = np.round((values - 128) * gain + 128 + offset * 0.5).clip(0, 255).astype(np.uint8)
    found = compared(dim, other)
    assert found.correlation > 0.99
    assert found.disagreeing == 0


def test_unrelated_pictures_disagree():
    for seed in range(4):
        found = compared(textured(seed), textured(seed + 50))
        assert abs(found.correlation) < 0.25
        assert found.disagreeing > 0.5
        assert found.exchanged > 0.1


def test_what_one_side_adds_is_missing_on_the_other_alone():
    for seed in range(3):
        plain = Image.blend(textured(seed), Image.new("RGB", (320, 240), "grey"), 0.6)  # of less contrast than letters
        marked = plain.copy()
        ImageDraw.Draw(marked).text(
            (20, 100), "(c) SOMEBODY", "white", font_size=44, stroke_width=3, stroke_fill="black"
        )
        found, back = compared(plain, marked), compared(marked, plain)
        assert found.missing_first > 0.05
        assert found.missing_second < 0.01
        assert found.exchanged < 0.01
        assert back.missing_second == pytest.approx(found.missing_first, abs=0.01)


def test_a_border_is_neither_compared_nor_covered():
    picture = textured(2)
    width = max(picture.size) // 20
    inside = np.array([[1.0, 0, width], [0, 1, width]])
    found = compared(picture, framed(picture), inside)
    assert found.correlation > 0.99
    assert found.disagreeing < 0.01
    assert found.covers_first > 0.97
    assert found.covers_second > 0.99


@pytest.mark.parametrize("share", [0.10, 0.25, 0.5])
def test_covers_tells_how_much_was_cropped(share):
    picture = textured(3, (384, 288))
    part = cropped(share)(picture)
    side = (1 - share) ** 0.5
    left, top = (round(edge * (1 - side) * length) for edge, length in zip((0.7, 0.4), picture.size, strict=True))
    found = compared(part, picture, np.array([[1.0, 0, left], [0, 1, top]]))
    assert found.correlation > 0.99
    assert found.covers_first == pytest.approx(1, abs=0.01)
    assert found.covers_second == pytest.approx(1 - share, abs=0.01)


def test_covers_with_another_scale():
    picture = textured(3, (400, 300))
    half = picture.crop((0, 0, 200, 300)).resize((100, 150))
    found = compared(half, picture, np.array([[2.0, 0, 0.5], [0, 2, 0.5]]))
    assert found.correlation > 0.9
    assert found.covers_first == pytest.approx(1, abs=0.02)
    assert found.covers_second == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("moved", [(0.05, 0), (0, 0.05), (-0.1, 0.02), (0.3, 0.1)])
@pytest.mark.parametrize("seed", range(4))
def test_a_subject_that_moved_is_missing_on_both_sides(moved, seed):
    background, subject = textured(seed), blob(seed + 50, 48)  # three tenths of the picture's width
    start = (120, 60)
    end = tuple(round(place + 320 * step) for place, step in zip(start, moved, strict=True))
    found = compared(with_subject(background, subject, start), with_subject(background, subject, end))
    assert found.exchanged > 0.025
    assert found.missing_first > 0.025
    assert found.missing_second > 0.025


def test_no_overlap_is_no_agreement():
    picture = textured(1)
    assert compared(picture, picture, np.array([[1.0, 0, 1000], [0, 1, 0]])) == NOTHING


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_plain_pictures_agree_in_nothing(shade):
    plain = np.full((120, 160), shade, np.uint8)
    assert compared(plain, plain).correlation == 0
    assert compared(plain, textured(1, (160, 120))).correlation == 0
    assert compared(textured(1, (160, 120)), plain).correlation == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 160), (160, 1), (3, 3), (160, 4)])
def test_pictures_of_hardly_any_size_do_no_harm(size):
    tiny = textured(1, (160, 120)).resize(size)
    found = compared(tiny, tiny)
    assert -1 <= found.correlation <= 1.001
    assert 0 <= found.covers_first <= 1
    assert np.isfinite([found.correlation, found.disagreeing, found.exchanged]).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31))
def test_every_transform_gives_shares(seed):
    draw = np.random.default_rng(seed)
    affine = np.column_stack([draw.normal(0, 1, (2, 2)), draw.uniform(-100, 200, 2)])
    found = compared(textured(seed % 3, (160, 120)), textured(seed % 2, (120, 160)), affine)
    assert -1.001 <= found.correlation <= 1.001
    for share in (found.missing_first, found.missing_second, found.covers_first, found.covers_second):
        assert 0 <= share <= 1.001
    assert found.disagreeing <= 1.001 or found == NOTHING


def test_a_saved_picture_agrees_with_its_source(tmp_path):
    picture = textured(4)
    with Image.open(saved(picture, tmp_path / "a.jpg", quality=60)) as read:
        assert compared(picture, read.convert("RGB")).correlation > 0.98
        assert len(extract(grey(read))) > 0
