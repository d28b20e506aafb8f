"""Pictures full of detail that tests make for themselves, and edits of them as people make."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

SIZE = (320, 240)  # (width, height)
_OCTAVES = ((4, 1.0), (10, 0.8), (26, 0.6), (70, 0.35))  # patches on the long side, and their weight

Edit = Callable[[Image.Image], Image.Image]


def textured(seed: int, size: tuple[int, int] = SIZE, *, shapes: int = 40) -> Image.Image:
    """Draw noise of several sizes, and shapes upon it: local features find it again; seeds share nothing."""
    draw = np.random.default_rng(seed)
    width, height = size
    total = np.zeros((height, width, 3))
    for patches, weight in _OCTAVES:
        noise = draw.integers(0, 256, (max(2, patches * height // max(size)), patches, 3), dtype=np.uint8)
        layer = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
        total += weight * (np.asarray(layer, dtype=np.float64) - 128)
    picture = Image.fromarray(np.clip(128 + 0.8 * total, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    for _ in range(shapes):
        _shape(pen, draw, size)
    return picture.filter(ImageFilter.GaussianBlur(max(size) / 400))  # a lens, not a stair


def _shape(pen: ImageDraw.ImageDraw, draw: np.random.Generator, size: tuple[int, int]) -> None:
    reach = draw.uniform(0.02, 0.09) * max(size)
    x, y = draw.uniform(0, size[0]), draw.uniform(0, size[1])
    colour = tuple(int(value) for value in draw.integers(0, 256, 3))
    if draw.integers(2):
        pen.ellipse((x - reach, y - reach * 0.6, x + reach, y + reach * 0.6), fill=colour)
    else:
        pen.polygon([(x + a, y + b) for a, b in draw.uniform(-reach, reach, (4, 2)).tolist()], fill=colour)


def grey(picture: Image.Image) -> NDArray[np.uint8]:
    """The same without colour: (height, width)."""
    return np.asarray(picture.convert("L"))


def blob(seed: int, reach: int) -> Image.Image:
    """A textured disc, transparent around it: a subject to put before a background."""
    subject = textured(seed, (2 * reach, 2 * reach), shapes=20).convert("RGBA")
    mask = Image.new("L", subject.size)
    ImageDraw.Draw(mask).ellipse((0, 0, 2 * reach - 1, 2 * reach - 1), fill=255)
    subject.putalpha(mask)
    return subject


def with_subject(background: Image.Image, subject: Image.Image, at: tuple[int, int]) -> Image.Image:
    """One frame of a burst from a tripod: the subject with its upper left corner at (x, y)."""
    frame = background.copy()
    frame.paste(subject, at, subject)
    return frame


def saved(picture: Image.Image, path: Path, **save: object) -> Path:
    """Save a picture; the suffix chooses the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, **save)
    return path


def through(form: str, **save: object) -> Edit:
    """Write a picture in some format and read it again."""

    def edit(picture: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        picture.save(buffer, form, **save)
        return Image.open(buffer).convert("RGB")

    return edit


def scaled(factor: float) -> Edit:
    return lambda picture: picture.resize([round(side * factor) for side in picture.size], Image.Resampling.LANCZOS)


def cropped(share: float) -> Edit:
    """Cut away this share of the area, more on the left than on the right."""

    def edit(picture: Image.Image) -> Image.Image:
        side = (1 - share) ** 0.5
        left, top = 0.7 * (1 - side) * picture.width, 0.4 * (1 - side) * picture.height
        box = (left, top, left + side * picture.width, top + side * picture.height)
        return picture.crop([round(edge) for edge in box])

    return edit


def warmer(picture: Image.Image) -> Image.Image:
    values = np.asarray(picture, dtype=np.float64) * (1.15, 1.0, 0.87)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def watermarked(picture: Image.Image) -> Image.Image:
    overlay = picture.copy()
    place = (picture.width // 10, picture.height // 2)
    ImageDraw.Draw(overlay).text(place, "(c) somebody", "white", font_size=max(picture.size) // 12)
    return Image.blend(picture, overlay, 0.7)


def framed(picture: Image.Image) -> Image.Image:
    return ImageOps.expand(picture, max(picture.size) // 20, "white")


EDITS: dict[str, Edit] = {
    "recompressed": through("JPEG", quality=35),
    "WebP": through("WEBP", quality=80),
    "half": scaled(0.5),
    "quarter": scaled(0.25),
    "crop 10 %": cropped(0.10),
    "crop 25 %": cropped(0.25),
    "brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.3),
    "contrast": lambda picture: ImageEnhance.Contrast(picture).enhance(1.4),
    "warmer": warmer,
    "grey": lambda picture: picture.convert("L").convert("RGB"),
    "watermarked": watermarked,
    "framed": framed,
    "sharpened": lambda picture: picture.filter(ImageFilter.UnsharpMask(2, 150, 0)),
    "rotated": lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
    "mirrored": ImageOps.mirror,
}
