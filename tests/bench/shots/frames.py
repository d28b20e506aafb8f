"""Copies that show a part of the frame, turn it, or put something plain around it."""

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from shots import expectations
from shots.camera import Draw
from shots.recipe import share
from shots.versions import Versions

COOKBOOK = Versions()


def cropped(image: Image.Image, area: float, draw: Draw) -> Image.Image:
    """Cut away a share of the area, off-centre."""
    side = (1 - area) ** 0.5
    width, height = round(image.width * side), round(image.height * side)
    left, top = draw.integers(image.width - width + 1), draw.integers(image.height - height + 1)
    return image.crop((left, top, left + width, top + height))


@COOKBOOK.jpeg("cropped", "2 %", "5 %", "10 %", "20 %", expect=expectations.KEEP_FIRST)
def crop(image: Image.Image, size: str, draw: Draw) -> Image.Image:
    return cropped(image, share(size), draw)


@COOKBOOK.png("crop blown up", "20 %", "50 %", "80 %", expect=expectations.KEEP_FIRST)
def crop_blown_up(image: Image.Image, size: str, draw: Draw) -> Image.Image:
    return cropped(image, share(size), draw).resize(image.size, Image.Resampling.LANCZOS)


@COOKBOOK.png("small copy blown up", "1/2", "1/4", "1/8", expect=expectations.KEEP_FIRST)
def blown_up(image: Image.Image, size: str, _draw: Draw) -> Image.Image:
    parts = int(size[2:])
    small = image.resize((image.width // parts, image.height // parts))
    return small.resize((round(image.width * 1.2), round(image.height * 1.2)), Image.Resampling.LANCZOS)


@COOKBOOK.jpeg("straightened", "0.5 degrees", "2 degrees", "5 degrees", expect=expectations.KEEP_FIRST)
def straightened(image: Image.Image, size: str, draw: Draw) -> Image.Image:
    """Turned a little, and cropped to what is whole."""
    degrees = float(size.split()[0]) * int(draw.choice([-1, 1]))
    turned = image.rotate(degrees, Image.Resampling.BICUBIC)
    loss = np.tan(np.radians(abs(degrees)))
    x, y = (int(np.ceil(length * loss / 2)) + 2 for length in (image.height, image.width))
    return turned.crop((x, y, image.width - x, image.height - y))


@COOKBOOK.png("turned by quarters", "90", "180", "270", expect=expectations.EITHER)
def turned(image: Image.Image, size: str, _draw: Draw) -> Image.Image:
    return image.transpose(Image.Transpose[f"ROTATE_{size}"])


@COOKBOOK.png("mirrored", expect=expectations.EITHER)
def mirrored(image: Image.Image, _size: str, _draw: Draw) -> Image.Image:
    return ImageOps.mirror(image)


@COOKBOOK.png("plain frame around it, PNG", "2 %", "8 %", expect=expectations.KEEP_FIRST)
@COOKBOOK.jpeg("plain border", "2 %", "5 %", expect=expectations.KEEP_FIRST)
def bordered(image: Image.Image, size: str, draw: Draw) -> Image.Image:
    return ImageOps.expand(image, round(max(image.size) * share(size)), str(draw.choice(["white", "black", "#d8d0c0"])))


@COOKBOOK.jpeg("letterbox", expect=expectations.KEEP_FIRST)
def letterbox(image: Image.Image, _size: str, _draw: Draw) -> Image.Image:
    """A square canvas as some phone apps want it."""
    side = max(image.size)
    square = Image.new("RGB", (side, side), "black")
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square


@COOKBOOK.jpeg("phone app's frame with words", expect=expectations.ALTERED)
def app_frame(image: Image.Image, _size: str, _draw: Draw) -> Image.Image:
    """An instant picture's frame, a line of writing below."""
    edge = max(image.size) // 20
    framed = ImageOps.expand(image, (edge, edge, edge, 4 * edge), "#f8f4ec")
    words = "Summer at the lake, 2019"
    ImageDraw.Draw(framed).text((2 * edge, image.height + 2 * edge), words, "#303040", font_size=round(1.4 * edge))
    return framed
