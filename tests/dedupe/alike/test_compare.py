"""Whether two pictures are one, by thumbnail and file, without an index."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from photos import scene
from PIL import Image, ImageFilter, ImageOps
from textures import EDITS, blob, cropped, framed, scaled, textured, through, with_subject

from retrieval.decode.preview import make_preview
from retrieval.dedupe.alike import compare, same_pixels
from retrieval.dedupe.alike.compare import Comparer, Verdict, same_picture
from retrieval.dedupe.alike.photo_file import PhotoFile
from retrieval.records import Preview

SIZE = (320, 240)


class Pictures:
    """Contents by number, with what was asked for of them."""

    def __init__(self, *pictures: Image.Image) -> None:
        self.pictures = dict(enumerate(pictures))
        self.read: list[int] = []
        self.looked: list[int] = []
        self.known: dict[int, Preview] = {number: make_preview(picture) for number, picture in self.pictures.items()}

    def previews(self, contents: list[int]) -> dict[int, Preview]:
        self.looked += contents
        return {content: self.known[content] for content in contents if content in self.known}

    def file(self, content: int) -> PhotoFile | None:
        self.read.append(content)
        return as_file(self.pictures[content]) if content in self.pictures else None

    def compare(self, content: int, others: list[int]) -> dict[int, Verdict]:
        return Comparer(self.previews, self.file).compare(content, others)


def as_file(picture: Image.Image) -> PhotoFile:
    data = io.BytesIO()
    picture.save(data, "PNG", compress_level=1)
    return PhotoFile(data.getvalue(), "picture.png")


def verdict(first: Image.Image, second: Image.Image) -> Verdict | None:
    """Both ways: what is one picture from here is one from there."""
    pictures = Pictures(first, second)
    there, back = pictures.compare(0, [1]).get(1), pictures.compare(1, [0]).get(0)
    assert (there is None) == (back is None)
    if there:
        assert (there.kind, there.score) == (back.kind, pytest.approx(back.score, abs=0.03))
    return there


def grained(picture: Image.Image) -> Image.Image:
    """With the noise of a sensor, which scaled copies lose: without it, nobody can tell them from blown-up ones."""
    noise = np.random.default_rng(0).normal(0, 3, (picture.height, picture.width, 1))
    return Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("name", EDITS)
def test_every_edit_is_seen_through(name):
    picture = grained(textured(1, (400, 300)))
    found = verdict(picture, EDITS[name](picture))
    assert found is not None
    if name == "watermarked":
        assert found.kind == "altered"
        assert "differs at" in found.reason
        assert found.places
        return
    assert found.kind == "near", found
    assert found.first_lacks == "", "the original shows all that its copy shows"
    assert found.score > 0.9
    assert "inliers, correlation" in found.reason
    assert "hash distance" in found.reason
    words = {"mirrored": "mirrored", "rotated": "turned 90 degrees", "crop 10 %": "crop ", "crop 25 %": "crop 2"}
    expected = words.get(name)
    assert expected is None or expected in found.reason
    for word in {"mirrored", "turned", "crop"} - set((expected or "").split()):
        assert word not in found.reason, f"{name}: {found.reason}"


@pytest.mark.parametrize(("first", "second"), [("mirrored", "rotated"), ("grey", "quarter"), ("framed", "crop 10 %")])
def test_two_edits_at_once(first, second):
    picture = textured(3, (480, 360))
    assert verdict(picture, EDITS[second](EDITS[first](picture))) is not None
    assert verdict(EDITS[first](picture), EDITS[second](picture)) is not None


def test_other_angles_are_told():
    picture = textured(4, (480, 360))
    turned = picture.rotate(10, Image.Resampling.BICUBIC).crop((60, 60, 420, 300))
    found = verdict(picture, turned)
    assert found is not None
    assert "turned 10 degrees" in found.reason
    assert "crop " in found.reason


def test_how_much_was_cropped():
    picture = textured(5, (600, 450))
    for percent in (20, 40):
        found = verdict(picture, cropped(percent / 100)(picture))
        assert found is not None
        told = int(found.reason.split("crop ")[1].split(" %")[0])
        assert told == pytest.approx(percent, abs=4)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP"])
def test_the_same_pixels_in_another_file(form):
    picture = through("JPEG", quality=90)(textured(6))
    found = verdict(picture, through(form)(picture))
    assert found == Verdict("same-pixels", 1.0, "every pixel is the same")


def test_one_pixel_of_difference_is_not_the_same():
    picture = textured(6)
    other = picture.copy()
    other.putpixel((50, 50), (0, 0, 0))
    found = verdict(picture, other)
    assert found is not None
    assert found.kind != "same-pixels"


@pytest.mark.parametrize("size", [(96, 64), SIZE])
def test_same_pixels_are_seen_where_there_are_no_points(size):
    """Fog, sky, a soft picture: stored twice without loss it is as much the same as any."""
    assert verdict(scene(1, size), scene(1, size)) == Verdict("same-pixels", 1.0, "every pixel is the same")


def test_soft_pictures_are_compared_as_a_whole():
    for seed in range(2):
        soft = scene(seed, SIZE)
        for edit in (through("JPEG", quality=40), scaled(0.5), ImageOps.mirror, EDITS["rotated"], EDITS["brighter"]):
            found = verdict(soft, edit(soft))
            assert found is not None
            assert found.score > 0.85


def test_unrelated_pictures_are_not_one():
    pictures = Pictures(*(textured(seed) for seed in range(6)), *(scene(seed, SIZE) for seed in range(4)))
    for number in pictures.pictures:
        assert pictures.compare(number, list(range(number))) == {}


def ramp(axis: int, low: float = 0, high: float = 255, power: float = 1.0) -> Image.Image:
    """A gradient along one axis."""
    line = low + (high - low) * np.linspace(0, 1, SIZE[axis]) ** power
    values = np.broadcast_to(line if axis == 0 else line[:, None], SIZE[::-1])
    return Image.fromarray(np.repeat(values[:, :, None], 3, axis=2).astype(np.uint8))


def sky(x: float, y: float, falloff: float) -> Image.Image:
    """A plain sky, darker away from one place: what lenses make of it."""
    rows, columns = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    light = 1 - falloff * ((columns / SIZE[0] - x) ** 2 + (rows / SIZE[1] - y) ** 2)
    return Image.fromarray((light[:, :, None].clip(0, 1) * [120, 160, 210]).astype(np.uint8))


def noise(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*SIZE[::-1], 3), dtype=np.uint8))


PLAIN = {
    "black": Image.new("RGB", SIZE),
    "grey": Image.new("RGB", SIZE, (128, 128, 128)),
    "white": Image.new("RGB", SIZE, "white"),
    "to the right": ramp(0),
    "down": ramp(1),
    "down, softly": ramp(1, 60, 140),
    "to the right, late": ramp(0, power=3),
    "noise": noise(1),
    "other noise": noise(2),
    "sky": sky(0.5, 0.5, 1),
    "darker sky": sky(0.5, 0.5, 2),
    "sky on the left": sky(0.3, 0.5, 1),
    "sky below": sky(0.4, 0.8, 1.5),
}


@pytest.mark.parametrize("name", PLAIN)
def test_two_plain_pictures_are_not_one(name):
    """There is nothing to see in them that could say so: not even where somebody might think so."""
    names = list(PLAIN)
    pictures = Pictures(*PLAIN.values())
    number = names.index(name)
    found = {names[other]: one.reason for other, one in pictures.compare(number, list(range(number))).items()}
    assert found == {}


@pytest.mark.parametrize("name", ["noise", "down", "sky"])
def test_a_plain_picture_and_a_textured_one(name):
    assert verdict(PLAIN[name], textured(1)) is None


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 300), (3000, 2), (4000, 30), (30, 4000)])
def test_pictures_of_hardly_any_size(size):
    tiny = textured(1, (400, 300)).resize(size)
    for other in (tiny, textured(1), Image.new("RGB", (1, 1))):
        found = verdict(tiny, other)
        assert found is None or other is tiny
        same_picture(tiny, other)


@pytest.mark.parametrize("softness", [0, 3])
@pytest.mark.parametrize("seed", range(2))
def test_a_subject_that_moved_makes_two_photos(seed, softness):
    """A burst from a tripod, without a time in the files: the background is the same to the last leaf."""
    background = textured(seed, (384, 288)).filter(ImageFilter.GaussianBlur(softness))
    subject = blob(seed + 50, 58)
    for step in (20, 80):
        frames = [with_subject(background, subject, (120 + x, 80)) for x in (0, step)]
        found = Pictures(*frames).compare(0, [1])[1]
        assert found.kind in ("same-scene", "altered")
        assert found.places


def test_a_mark_on_one_side_is_told():
    picture = textured(7, (480, 360))
    marked = picture.copy()
    marked.paste(Image.new("RGB", (400, 50), "white"), (40, 250))
    found = verdict(picture, marked)
    assert found is not None
    assert found.kind == "altered"
    x, y, width, height = max(found.places, key=lambda place: place[2] * place[3])
    assert abs(x - 1000 * 40 / 480) < 20
    assert abs(y - 1000 * 250 / 360) < 20
    assert abs(x + width - 1000 * 440 / 480) < 20
    assert abs(y + height - 1000 * 300 / 360) < 20


def test_a_border_is_no_crop():
    picture = textured(8, (480, 360))
    for colour in ("white", "black"):
        found = verdict(picture, ImageOps.expand(picture, 24, colour))
        assert found is not None
        assert "crop" not in found.reason


def test_features_are_found_once_and_the_oldest_are_dropped(monkeypatch):
    monkeypatch.setattr(compare, "_KEPT", 3)
    pictures = Pictures(*(textured(seed, (160, 120)) for seed in range(5)))
    comparer = Comparer(pictures.previews, pictures.file)
    comparer.compare(0, [1, 2])
    comparer.compare(0, [1])
    assert sorted(pictures.looked) == [0, 1, 2]
    comparer.compare(0, [3])
    comparer.compare(0, [3])
    assert sorted(pictures.looked) == [0, 1, 2, 3]
    comparer.features([2])
    assert sorted(pictures.looked) == [0, 1, 2, 2, 3]


def test_pictures_are_decoded_whole_once(monkeypatch):
    digested = []
    monkeypatch.setattr(
        compare, "picture_digest", lambda data, name: digested.append(data) or same_pixels.picture_digest(data, name)
    )
    pictures = Pictures(*[textured(1)] * 3)
    comparer = Comparer(pictures.previews, pictures.file)
    assert {found.kind for found in comparer.compare(0, [1, 2]).values()} == {"same-pixels"}
    assert {found.kind for found in comparer.compare(1, [2]).values()} == {"same-pixels"}
    assert len(digested) == 3


def test_what_cannot_be_seen_is_like_nothing():
    pictures = Pictures(textured(1), textured(1), scene(1), scene(1))
    pictures.pictures.clear()  # the files are gone, their looks are known
    assert pictures.compare(0, [1]) == {}
    assert pictures.compare(2, [3]) == {}
    pictures.known.clear()
    assert pictures.compare(0, [1]) == {}
    assert pictures.compare(0, []) == {}


def test_reasons_and_scores_are_always_the_same():
    picture = textured(9, (480, 360))
    changed = framed(cropped(0.1)(picture))
    assert verdict(picture, changed) == verdict(picture.copy(), changed.copy())


def question(first: Image.Image, second: Image.Image) -> Callable[[], Verdict | None]:
    return lambda: same_picture(first, second)


@pytest.mark.parametrize("name", ["half", "crop 25 %", "mirrored"])
def test_two_pictures_at_once(name):
    picture = grained(textured(10, (600, 450)))
    ask = question(picture, EDITS[name](picture))
    found = ask()
    assert found is not None
    assert found.kind == "near"
    assert "hash distance" not in found.reason
    assert ask() == found
    assert question(picture, EDITS[name](textured(11, (600, 450))))() is None
