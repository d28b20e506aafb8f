"""Edited copies of photos as people make them: which edits, drawn at random, and the files they are saved in.

The strength of every edit is relative to the photo's size. A crop takes 10 or 25 % of the area, off-centre; a
quarter-turn goes either way; edits that look either way (lighter, darker) do so as often.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from edits import EDITS, cropped, watermarked
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

Draw = np.random.Generator
Change = Callable[[Image.Image, Draw], Image.Image]

CHAINED = 0.25  # share of copies that are made by two edits, one after the other


@dataclass(frozen=True, slots=True)
class Form:
    """A file that pixels are saved in."""

    suffix: str
    lowest_quality: int | None = None  # None: nothing is lost
    highest_quality: int = 100


PLAIN = Form(".jpg", 88, 95)  # for edits of the picture
FORMS = {"recompress": Form(".jpg", 30, 70), "PNG": Form(".png"), "WebP": Form(".webp", 70, 95)}


def fixed(name: str) -> Change:
    return lambda photo, _draw: EDITS[name](photo)


def off_centre(share: float) -> Change:
    return lambda photo, draw: cropped(share, draw.random(), draw.random())(photo)


def watermark(photo: Image.Image, draw: Draw) -> Image.Image:
    return watermarked(photo, draw.uniform(0, 0.3), draw.uniform(0, 0.9))


def brightness(photo: Image.Image, draw: Draw) -> Image.Image:
    return ImageEnhance.Brightness(photo).enhance(either(draw, 1.2, 1.4))


def contrast(photo: Image.Image, draw: Draw) -> Image.Image:
    return ImageEnhance.Contrast(photo).enhance(either(draw, 1.2, 1.5))


def warmth(photo: Image.Image, draw: Draw) -> Image.Image:
    """More red and less blue, or the other way round."""
    gain = either(draw, 1.1, 1.2)
    pixels = np.asarray(photo, dtype=np.float32) * np.array([gain, 1, 1 / gain], dtype=np.float32)
    return Image.fromarray(np.clip(pixels.round(), 0, 255).astype(np.uint8))


def border(photo: Image.Image, draw: Draw) -> Image.Image:
    width = max(1, round(max(photo.size) * draw.uniform(0.03, 0.06)))
    return ImageOps.expand(photo, width, ("white", "black")[draw.integers(2)])


def sharpening(photo: Image.Image, draw: Draw) -> Image.Image:
    radius = max(photo.size) * draw.uniform(0.002, 0.005)
    return photo.filter(ImageFilter.UnsharpMask(radius, percent=int(draw.integers(120, 250)), threshold=0))


def quarter_turn(photo: Image.Image, draw: Draw) -> Image.Image:
    return photo.transpose((Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270)[draw.integers(2)])


def either(draw: Draw, lowest: float, highest: float) -> float:
    """A factor between the two, or as much below 1."""
    factor = float(draw.uniform(lowest, highest))
    return factor if draw.integers(2) else 1 / factor


CHANGES: dict[str, Change] = {
    "half size": fixed("half size"),
    "quarter size": fixed("quarter size"),
    "crop 10 %": off_centre(0.10),
    "crop 25 %": off_centre(0.25),
    "brightness": brightness,
    "contrast": contrast,
    "warmth": warmth,
    "grey": fixed("grey"),
    "watermark": watermark,
    "border": border,
    "sharpening": sharpening,
    "rotate 90": quarter_turn,
    "mirror": fixed("mirror"),
}
NAMES = (*FORMS, *CHANGES)
# Two edits of a chain are never from one of these: a file has one form, and a person resizes or crops once.
ALTERNATIVES = (set(FORMS), {"half size", "quarter size"}, {"crop 10 %", "crop 25 %"})


@dataclass(frozen=True, slots=True)
class Copy:
    """An edited photo, not yet saved."""

    image: Image.Image
    edits: tuple[str, ...]
    form: Form
    quality: int | None

    def save(self, stem: Path, exif: bytes) -> Path:
        """Write the file and return its path: the stem with the form's suffix; `exif` may be empty."""
        path = stem.with_name(stem.name + self.form.suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        options: dict[str, Any] = {} if self.quality is None else {"quality": self.quality}
        self.image.save(path, **options | ({"exif": exif} if exif else {}))
        return path


def draw_copy(photo: Image.Image, draw: Draw) -> Copy:
    """Draw one edit or a chain of two, and make the copy. `photo` is upright RGB."""
    edits = draw_edits(draw)
    form = next((FORMS[edit] for edit in edits if edit in FORMS), PLAIN)
    for edit in edits:
        if edit in CHANGES:
            photo = CHANGES[edit](photo, draw)
    lowest = form.lowest_quality
    quality = None if lowest is None else int(draw.integers(lowest, form.highest_quality, endpoint=True))
    return Copy(photo, edits, form, quality)


def draw_edits(draw: Draw) -> tuple[str, ...]:
    first = str(draw.choice(NAMES))
    if draw.random() >= CHAINED:
        return (first,)
    barred = next((group for group in ALTERNATIVES if first in group), {first})
    return first, str(draw.choice([name for name in NAMES if name not in barred]))
