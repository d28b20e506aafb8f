"""The promise: what shows something else, or more, is never offered as a duplicate; what was merely edited is seen."""

from functools import cache

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps
from textures import blob, cropped, framed, scaled, textured, through, warmer, watermarked, with_subject
from tripod import frames, jpeg, page, png, scene, settings, shot

from retrieval.dedupe.alike.compare import Verdict, compare_files, same_picture
from retrieval.dedupe.alike.photo_file import PhotoFile

SIZE = (640, 480)
OFFERED = ("same-pixels", "near", "raw+jpeg")


def assert_two_photos(first: PhotoFile, second: PhotoFile) -> None:
    found = compare_files(first, second)
    assert found is None or found.kind not in OFFERED, found


def with_and_without(what: str, percent: int) -> tuple[Image.Image, Image.Image]:
    """Two scenes with a subject whose diameter is a share of the long side."""
    background, reach = scene(2, SIZE), round(percent * SIZE[0] / 200)
    subject, other = blob(31, reach), blob(32, reach)
    before = with_subject(background, subject, (200, 150))
    after = {
        "gone": background,
        "moved": with_subject(background, subject, (400, 300)),
        "a step on": with_subject(background, subject, (200 + reach, 150)),
        "replaced": with_subject(background, other, (200, 150)),
        "mirrored": with_subject(background, ImageOps.mirror(subject), (200, 150)),
        "a second came": with_subject(before, other, (400, 100)),
    }
    return before, after[what]


@pytest.mark.parametrize("percent", [3, 8])
@pytest.mark.parametrize("what", ["gone", "moved", "a step on", "replaced", "mirrored", "a second came"])
def test_a_subject_that_changed(what, percent):
    assert_two_photos(*frames(*with_and_without(what, percent)))


@pytest.mark.parametrize("percent", [50, 90])
def test_frames_of_a_panorama(percent):
    wide, step = scene(3, (1000, 480)), round(640 * (1 - percent / 100))
    found = compare_files(*frames(wide.crop((0, 0, 640, 480)), wide.crop((step, 0, step + 640, 480))))
    assert found is not None
    assert found.kind == "overlap"
    assert f"{100 - percent} % of the frame" in found.first_lacks
    assert f"{100 - percent} % of the frame" in found.second_lacks


@pytest.mark.parametrize("step", [96, 250])
def test_two_crops_of_one_photo(step):
    wide = shot(scene(4, (900, 480)), 1)
    assert_two_photos(jpeg(wide.crop((0, 0, 640, 480))), jpeg(wide.crop((step, 0, 640 + step, 480))))


@pytest.mark.parametrize("stops", [-2, 2])
def test_an_exposure_bracket(stops):
    picture = scene(5, SIZE)
    assert_two_photos(jpeg(shot(picture, 1)), jpeg(shot(picture, 2, stops=stops)))


def focus_bracket(sharp: Image.Image, softness: float, noise: float = 2) -> tuple[PhotoFile, PhotoFile]:
    """One photo focused on the upper half, and one on the lower half."""
    soft, near = sharp.filter(ImageFilter.GaussianBlur(softness)), Image.new("L", SIZE)
    ImageDraw.Draw(near).rectangle((0, 240, *SIZE), fill=255)
    planes = Image.composite(sharp, soft, near), Image.composite(soft, sharp, near)
    return jpeg(shot(planes[0], 1000, noise=noise)), jpeg(shot(planes[1], 1001, noise=noise))


@pytest.mark.parametrize("softness", [2, 3, 5])
def test_a_focus_bracket(softness):
    assert_two_photos(*focus_bracket(scene(6, SIZE), softness))


@pytest.mark.parametrize("softness", [2, 3])
def test_a_focus_bracket_of_a_soft_scene_with_noise(softness):
    assert_two_photos(*focus_bracket(textured(1, SIZE), softness, noise=3))


@pytest.mark.parametrize("noise", [2, 5])
def test_two_exposures_of_one_scene(noise):
    """Nothing moved, but for the camera by a fraction of a pixel; the scene is soft, so that noise is all there is."""
    picture = textured(1, SIZE)
    assert_two_photos(jpeg(shot(picture, 1000, noise=noise)), jpeg(shot(picture, 1001, noise=noise)))


WORDS = [
    " ".join(np.random.default_rng(line).choice(["amber", "river", "north", "signal", "paper", "window"], 7))
    for line in range(30)
]
BILL = [*WORDS[:6], "total amount due 1384.50 pounds", *WORDS[6:14]]
OTHER_BILL = [line.replace("1384", "1784") for line in BILL]
PAGES = {"half a page further": (WORDS[:15], WORDS[7:22]), "one digit": (BILL, OTHER_BILL)}


@pytest.mark.parametrize("name", PAGES)
def test_pages_of_text(name):
    """As screenshots, without any noise, and as photos of a screen."""
    pages = [page(lines, SIZE) for lines in PAGES[name]]
    assert_two_photos(png(pages[0]), png(pages[1]))
    assert_two_photos(*frames(*pages))


@pytest.mark.parametrize("degrees", [0.3, 1])
def test_stars_that_turned_above_the_ground(degrees):
    draw = np.random.default_rng(8)
    sky = np.zeros(SIZE[::-1], np.float32)
    sky[draw.integers(0, 480, 400), draw.integers(0, 640, 400)] = 300 + 300 * draw.pareto(1.5, 400)
    sky = cv2.GaussianBlur(sky, (0, 0), 0.9)
    turned = cv2.warpAffine(sky, cv2.getRotationMatrix2D((200, 100), degrees, 1), SIZE, flags=cv2.INTER_CUBIC)
    above = (np.arange(480) < 330)[:, None, None]
    ground = 0.15 * np.asarray(scene(8, SIZE))
    skies = (np.where(above, np.clip(one, 0, 240)[..., None] + 15, ground) for one in (sky, turned))
    assert_two_photos(*frames(*(one.astype(np.uint8) for one in skies)))


def test_a_subject_of_another_hue():
    """16 % of the long side, of the same brightness."""
    mask = np.zeros(SIZE[::-1], np.uint8)
    cv2.circle(mask, (330, 250), 51, 255, -1)
    states = []
    for red, blue in ((165, 110), (95, 120)):
        colours = cv2.cvtColor(np.asarray(scene(9, SIZE)), cv2.COLOR_RGB2YCrCb)
        colours[mask > 0, 0] = 110 + colours[mask > 0, 0] // 8
        colours[mask > 0, 1:] = red, blue
        states.append(cv2.cvtColor(colours, cv2.COLOR_YCrCb2RGB))
    assert_two_photos(*frames(*states))


def toned(picture: Image.Image) -> Image.Image:
    grey = np.asarray(picture.convert("L"), dtype=float)[..., None]
    return Image.fromarray(np.clip(grey * (1.07, 0.9, 0.7) + (8, 5, 0), 0, 255).astype(np.uint8))


def lit_unevenly(picture: Image.Image) -> Image.Image:
    light = np.linspace(1.0, 0.6, picture.width)[None, :, None]
    return Image.fromarray((np.asarray(picture) * light).astype(np.uint8))


EDITS = {
    "recompressed": (through("JPEG", quality=40), None),
    "half": (scaled(0.5), "resolution"),
    "quarter": (scaled(0.25), "resolution"),
    "grey": (lambda picture: picture.convert("L").convert("RGB"), "colour"),
    "sepia": (toned, "colour"),
    "by a red filter": (lambda picture: picture.getchannel(0).convert("RGB"), "colour"),
    "brighter": (lambda picture: ImageEnhance.Brightness(picture).enhance(1.2), None),
    "darker": (lambda picture: ImageEnhance.Brightness(picture).enhance(0.7), None),
    "lit unevenly": (lit_unevenly, None),
    "warmer": (warmer, None),
    "sharpened": (lambda picture: picture.filter(ImageFilter.UnsharpMask(2, 120, 0)), None),
    "blurred": (lambda picture: picture.filter(ImageFilter.GaussianBlur(2)), "sharpness"),
    "border": (framed, None),
    "crop": (cropped(0.1), "10 % of the frame"),
    "turned": (lambda picture: picture.transpose(Image.Transpose.ROTATE_90), None),
    "mirrored": (ImageOps.mirror, None),
}


@cache
def photo() -> PhotoFile:
    return jpeg(shot(scene(10, (480, 360)), 1), 95)


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_and_what_it_lost(name):
    edit, lost = EDITS[name]
    found = compare_files(photo(), jpeg(edit(photo().whole()), 90))
    assert found is not None
    assert found.kind == "near", found
    assert found.first_lacks == "", found
    if lost:
        assert lost in found.second_lacks


def captioned(picture: Image.Image) -> Image.Image:
    after = picture.copy()
    place = (picture.width / 2, 0.9 * picture.height)
    ImageDraw.Draw(after).text(place, "WHEN YOU SEE IT", "white", font_size=30, anchor="ms", stroke_width=3)
    return after


def pixelated(picture: Image.Image) -> Image.Image:
    after, box = picture.copy(), (200, 150, 256, 206)
    coarse = picture.crop(box).resize((8, 8), Image.Resampling.BOX)
    after.paste(coarse.resize((56, 56), Image.Resampling.NEAREST), box)
    return after


@pytest.mark.parametrize("edit", [watermarked, captioned, pixelated])
def test_what_was_put_on_or_hidden(edit):
    found = compare_files(photo(), jpeg(edit(photo().whole()), 90))
    assert found is not None
    assert found.kind == "altered"
    assert found.places


def test_a_copy_that_was_blown_up():
    """More pixels, and less to see: the original must stay."""
    small = photo().whole().resize((160, 120), Image.Resampling.LANCZOS)
    found = compare_files(photo(), jpeg(small.resize((720, 540), Image.Resampling.LANCZOS), 92))
    assert found is not None
    assert found.kind == "near"
    assert found.first_lacks == ""
    assert "sharpness" in found.second_lacks


@pytest.mark.parametrize(
    ("other", "reason"),
    [(settings(exposure_s=1 / 60), "1/250 s against 1/60 s"), (settings(second=4), "taken 4 s apart")],
)
def test_what_the_files_say_outweighs_the_pixels(other, reason):
    picture = shot(scene(11, (480, 360)), 1)
    found = compare_files(jpeg(picture, exif=settings()), jpeg(picture, 90, exif=other))
    assert found is not None
    assert (found.kind, found.reason) == ("same-scene", reason)
    agreeing = compare_files(jpeg(picture, exif=settings()), jpeg(picture, 90, exif=settings()))
    assert agreeing is not None
    assert agreeing.kind == "near"


def reversed_verdict(found: Verdict | None) -> tuple[str, str, str] | None:
    return found and (found.kind, found.second_lacks, found.first_lacks)


@pytest.mark.parametrize("name", ["half", "grey", "crop", "mirrored"])
def test_either_order_tells_the_same_of_an_edit(name):
    pair = photo(), jpeg(EDITS[name][0](photo().whole()), 90)
    there, back = compare_files(*pair), compare_files(*reversed(pair))
    assert there is not None
    assert reversed_verdict(back) == (there.kind, there.first_lacks, there.second_lacks)


def test_either_order_tells_the_same_of_two_shots():
    pairs = [frames(*with_and_without("a step on", 8)), focus_bracket(textured(2, SIZE), 3)]
    for pair in pairs:
        there, back = compare_files(*pair), compare_files(*reversed(pair))
        assert (there and there.kind) == (back and back.kind)


def test_pictures_without_files():
    """The same promise where nothing is known but pixels."""
    picture = shot(scene(12, SIZE), 1)
    found = same_picture(picture, scaled(0.5)(picture))
    assert found is not None
    assert (found.kind, found.first_lacks) == ("near", "")
    moved = same_picture(*(file.whole() for file in frames(*with_and_without("moved", 3))))
    assert moved is None or moved.kind not in OFFERED
