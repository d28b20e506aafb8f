"""Copies in other tones and colours, or with more or less detail."""

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from shots import expectations
from shots.camera import Draw
from shots.versions import Versions

COOKBOOK = Versions()


@COOKBOOK.jpeg("brightness", "+25 %", "-25 %", expect=expectations.EITHER)
def brightness(image: Image.Image, size: str, _draw: Draw) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(1.25 if size.startswith("+") else 0.75)


@COOKBOOK.jpeg("contrast", "+30 %", "-30 %", expect=expectations.EITHER)
def contrast(image: Image.Image, size: str, _draw: Draw) -> Image.Image:
    return ImageEnhance.Contrast(image).enhance(1.3 if size.startswith("+") else 0.7)


@COOKBOOK.jpeg("gamma", "0.7", "1.4", expect=expectations.EITHER)
def gamma(image: Image.Image, size: str, _draw: Draw) -> Image.Image:
    table = [round(255 * (code / 255) ** float(size)) for code in range(256)]
    return image.point(table * 3)


@COOKBOOK.jpeg("saturation", "+60 %", "-50 %", expect=expectations.EITHER)
def saturation(image: Image.Image, size: str, _draw: Draw) -> Image.Image:
    return ImageEnhance.Color(image).enhance(1.6 if size.startswith("+") else 0.5)


def graded(image: Image.Image, gains: tuple[float, float, float]) -> Image.Image:
    pixels = np.asarray(image, np.float32) * np.float32(gains)
    return Image.fromarray(np.clip(np.round(pixels), 0, 255).astype(np.uint8))


@COOKBOOK.jpeg("white balance", "warm", "cold", expect=expectations.EITHER)
def white_balance(image: Image.Image, size: str, _draw: Draw) -> Image.Image:
    return graded(image, (1.15, 1, 0.85) if size == "warm" else (0.87, 1, 1.15))


@COOKBOOK.jpeg("vignette", expect=expectations.EITHER)
def vignette(image: Image.Image, _size: str, draw: Draw) -> Image.Image:
    y, x = np.mgrid[-1 : 1 : image.height * 1j, -1 : 1 : image.width * 1j].astype(np.float32)
    dimming = 1 - draw.uniform(0.25, 0.45) * (x * x + y * y)[..., None] / 2
    return Image.fromarray((np.asarray(image) * dimming).astype(np.uint8))


@COOKBOOK.jpeg("sepia", expect=expectations.KEEP_FIRST)
def sepia(image: Image.Image, _size: str, _draw: Draw) -> Image.Image:
    return graded(image.convert("L").convert("RGB"), (1.07, 0.9, 0.7))


@COOKBOOK.jpeg("phone app's filter", "faded", "vivid", "two-tone", expect=expectations.EITHER)
def app_filter(image: Image.Image, size: str, _draw: Draw) -> Image.Image:
    if size == "faded":
        return graded(
            ImageEnhance.Color(image).enhance(0.7).point([round(30 + code * 0.8) for code in range(256)] * 3),
            (1.03, 1, 0.94),
        )
    if size == "vivid":
        return ImageEnhance.Contrast(ImageEnhance.Color(image).enhance(1.5)).enhance(1.2)
    light = np.asarray(image.convert("L"), np.float32)[..., None] / 255
    tones = light * np.float32([255, 225, 170]) + (1 - light) * np.float32([10, 30, 70])
    return Image.blend(image, Image.fromarray(tones.astype(np.uint8)), 0.5)


@COOKBOOK.png("grey, PNG", expect=expectations.KEEP_FIRST)
@COOKBOOK.jpeg("grey", expect=expectations.KEEP_FIRST)
def grey(image: Image.Image, _size: str, _draw: Draw) -> Image.Image:
    return image.convert("L")


@COOKBOOK.jpeg("black and white, graded", "red filter", "high contrast", expect=expectations.KEEP_FIRST)
def black_and_white(image: Image.Image, size: str, _draw: Draw) -> Image.Image:
    """As film looked through a red filter: other colours get other greys."""
    if size == "high contrast":
        return ImageEnhance.Contrast(image.convert("L")).enhance(1.5)
    return Image.fromarray((np.asarray(image, np.float32) @ np.float32([0.75, 0.2, 0.05])).astype(np.uint8))


@COOKBOOK.jpeg("sharpened", "fine", "coarse", expect=expectations.EITHER)
def sharpened(image: Image.Image, size: str, _draw: Draw) -> Image.Image:
    return image.filter(ImageFilter.UnsharpMask({"fine": 1.0, "coarse": 4.0}[size], 150, 0))


@COOKBOOK.jpeg("blurred", "slightly", "strongly", expect=expectations.KEEP_FIRST)
def softened(image: Image.Image, size: str, _draw: Draw) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur({"slightly": 0.001, "strongly": 0.003}[size] * max(image.size)))


@COOKBOOK.jpeg("noise removed", expect=expectations.EITHER)
def denoised(image: Image.Image, _size: str, _draw: Draw) -> Image.Image:
    return image.filter(ImageFilter.MedianFilter(3))
