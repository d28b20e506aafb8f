"""Where two pictures on one grid differ."""

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter
from textures import blob, textured, through, warmer, with_subject
from tripod import scene, shot

from retrieval.dedupe.alike.differences import Differences, differences
from retrieval.dedupe.alike.overlay import overlay

SIZE = (640, 480)


def between(first: Image.Image, second: Image.Image) -> Differences:
    return differences(overlay(*(np.ascontiguousarray(np.asarray(one)) for one in (first, second)), np.eye(3)))


def lit_from_the_left(picture: Image.Image) -> Image.Image:
    light = np.linspace(1.0, 0.6, picture.width)[None, :, None]
    return Image.fromarray((np.asarray(picture) * light).astype(np.uint8))


EDITS = {
    "recompressed": through("JPEG", quality=40),
    "darker": lambda picture: ImageEnhance.Brightness(picture).enhance(0.7),
    "lit unevenly": lit_from_the_left,
    "warmer": warmer,
    "blurred": lambda picture: picture.filter(ImageFilter.GaussianBlur(1.5)),
    "another exposure": lambda picture: shot(picture, 1),
}


@pytest.mark.parametrize("name", EDITS)
def test_edits_and_noise_are_no_differences(name):
    picture = scene(1, (480, 360))
    found = between(picture, EDITS[name](picture))
    assert found.largest < 0.5


@pytest.mark.parametrize("reach", [10, 26])
def test_a_subject_that_is_gone_is_found_where_it_was(reach):
    """3 and 8 % of the long side; each with its own noise and shift."""
    background = scene(2, SIZE)
    with_it = with_subject(background, blob(70, reach), (300, 200))
    found = between(shot(with_it, 1), shot(background, 2))
    assert found.largest > 2
    x, y, wide, high = max(found.boxes, key=lambda box: box[2] * box[3])
    assert abs(x + wide / 2 - (300 + reach)) < 1.2 * reach
    assert abs(y + high / 2 - (200 + reach)) < 1.2 * reach


def test_who_shows_more():
    """Words upon a plain wall: the one with words shows what the other does not, and nothing is lost the other way."""
    plain = textured(3, SIZE)
    ImageDraw.Draw(plain).rectangle((200, 150, 440, 330), "#808890")
    written = plain.copy()
    ImageDraw.Draw(written).text((320, 240), "SOLD", "#303030", font_size=50, anchor="mm")
    found = between(written, plain)
    assert found.first_shows > 2
    assert found.second_shows < 0.5 * found.first_shows
    back = between(plain, written)
    assert back.second_shows == pytest.approx(found.first_shows, rel=0.3)
    assert back.first_shows < 0.5 * back.second_shows


def test_another_hue_of_the_same_brightness():
    """A car in the same place, red and then green: grey pictures of them are equal."""
    mask = np.zeros(SIZE[::-1], np.uint8)
    cv2.circle(mask, (330, 250), 51, 255, -1)
    states = []
    for red, blue in ((165, 110), (95, 120)):
        colours = cv2.cvtColor(np.asarray(scene(4, SIZE)), cv2.COLOR_RGB2YCrCb)
        colours[mask > 0, 0] = 110 + colours[mask > 0, 0] // 8
        colours[mask > 0, 1:] = red, blue
        states.append(Image.fromarray(cv2.cvtColor(colours, cv2.COLOR_YCrCb2RGB)))
    found = between(*states)
    assert found.colour > 100
    assert found.largest >= found.colour
    assert any(abs(x + wide / 2 - 330) < 20 and abs(y + high / 2 - 250) < 20 for x, y, wide, high in found.boxes)


def test_what_clipping_took_is_counted_apart():
    """Lights cut off in one of them are lost there, and nothing else is."""
    picture = scene(5, SIZE)
    bright = np.asarray(picture).astype(float)
    bright[150:330, 200:440] = 190 + 0.25 * bright[150:330, 200:440]
    first = Image.fromarray(bright.astype(np.uint8))
    second = Image.fromarray(np.clip(bright * 1.4, 0, 255).astype(np.uint8))
    found = between(first, second)
    assert found.second_clipped > 5
    assert found.first_clipped < 0.5
    back = between(second, first)
    assert back.first_clipped == pytest.approx(found.second_clipped, rel=0.2)
    assert back.second_clipped < 0.5


def test_areas_do_not_depend_on_the_size_of_the_picture():
    background = scene(6, (800, 600))
    pair = background, with_subject(background, blob(71, 40), (300, 200))
    large = between(*pair)
    small = between(*(one.resize((400, 300), Image.Resampling.BOX) for one in pair))
    assert small.largest == pytest.approx(large.largest, rel=0.5)
