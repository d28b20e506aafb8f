"""Copies that something was put on or taken away from, so that they show what the original does not."""

from PIL import Image, ImageDraw, ImageFilter, ImageStat

from shots import expectations
from shots.camera import Draw
from shots.recipe import share
from shots.versions import Versions

COOKBOOK = Versions()
OWNER = "(c) A. Photographer"


@COOKBOOK.png("watermark, PNG", "corner", "across", expect=expectations.ALTERED)
@COOKBOOK.jpeg("watermark", "corner", "across", expect=expectations.ALTERED)
def watermark(image: Image.Image, size: str, draw: Draw) -> Image.Image:
    overlay, length = image.copy(), max(image.size)
    across = image.width / 2, image.height * draw.uniform(0.3, 0.7)
    place, part, anchor = (
        ((image.width * 0.97, image.height * 0.97), 40, "rs") if size == "corner" else (across, 14, "mm")
    )
    pen = ImageDraw.Draw(overlay)
    box = pen.textbbox(place, OWNER, font_size=length // part, anchor=anchor)
    dark = ImageStat.Stat(image.crop(tuple(map(round, box))).convert("L")).mean[0] < 128
    pen.text(place, OWNER, "white" if dark else "black", font_size=length // part, anchor=anchor)
    return Image.blend(image, overlay, draw.uniform(0.45, 0.8))


@COOKBOOK.jpeg("date stamp", expect=expectations.ALTERED)
def date_stamp(image: Image.Image, _size: str, _draw: Draw) -> Image.Image:
    stamped = image.copy()
    place = (image.width * 0.95, image.height * 0.95)
    ImageDraw.Draw(stamped).text(place, "12.03.2007", "#ff9020", font_size=max(image.size) // 40, anchor="rs")
    return stamped


@COOKBOOK.jpeg("caption", expect=expectations.ALTERED)
def caption(image: Image.Image, _size: str, _draw: Draw) -> Image.Image:
    captioned, length = image.copy(), max(image.size)
    place = (image.width / 2, image.height * 0.9)
    ImageDraw.Draw(captioned).text(
        place, "WHEN YOU SEE IT", "white", font_size=length // 16, anchor="ms", stroke_width=4, stroke_fill="black"
    )
    return captioned


@COOKBOOK.jpeg("sticker", "3 %", "8 %", "16 %", expect=expectations.ALTERED)
def sticker(image: Image.Image, size: str, draw: Draw) -> Image.Image:
    stuck, half = image.copy(), share(size) * max(image.size) / 2
    x, y = draw.uniform(0.15, 0.85) * image.width, draw.uniform(0.15, 0.85) * image.height
    pen = ImageDraw.Draw(stuck)
    pen.ellipse((x - half, y - half, x + half, y + half), "#ffd030", "#302000", max(1, round(half / 12)))
    for eye in (-0.4, 0.4):
        left, top = x + eye * half, y - 0.3 * half
        pen.ellipse((left - half / 8, top - half / 8, left + half / 8, top + half / 8), "#302000")
    pen.arc((x - half / 2, y - half / 2, x + half / 2, y + half / 2), 20, 160, "#302000", max(1, round(half / 8)))
    return stuck


def somewhere_in(image: Image.Image, size: str, draw: Draw) -> tuple[int, int, int, int]:
    """A square whose side is a share of the longer side."""
    side = max(8, round(share(size) * max(image.size)))
    left, top = draw.integers(image.width - side), draw.integers(image.height - side)
    return int(left), int(top), int(left) + side, int(top) + side


@COOKBOOK.png("pixelated face, PNG", "5 %", "12 %", expect=expectations.LESSER)
@COOKBOOK.jpeg("pixelated face", "5 %", "12 %", expect=expectations.LESSER)
def pixelated(image: Image.Image, size: str, draw: Draw) -> Image.Image:
    box, after = somewhere_in(image, size, draw), image.copy()
    part = image.crop(box)
    coarse = part.resize((8, 8), Image.Resampling.BOX).resize(part.size, Image.Resampling.NEAREST)
    after.paste(coarse, box)
    return after


@COOKBOOK.jpeg("part blurred", "8 %", "20 %", expect=expectations.LESSER)
def part_blurred(image: Image.Image, size: str, draw: Draw) -> Image.Image:
    box, after = somewhere_in(image, size, draw), image.copy()
    after.paste(image.crop(box).filter(ImageFilter.GaussianBlur(max(image.size) / 100)), box)
    return after


@COOKBOOK.jpeg("retouched away", "3 %", "8 %", "16 %", expect=expectations.LESSER)
def retouched(image: Image.Image, size: str, draw: Draw) -> Image.Image:
    """A place painted over with another part of the photo, softly at its edge."""
    target, source = somewhere_in(image, size, draw), somewhere_in(image, size, draw)
    side = target[2] - target[0]
    mask = Image.new("L", (side, side))
    ImageDraw.Draw(mask).ellipse((side // 8, side // 8, side - side // 8, side - side // 8), 255)
    after = image.copy()
    after.paste(image.crop(source), target, mask.filter(ImageFilter.GaussianBlur(side / 20)))
    return after
