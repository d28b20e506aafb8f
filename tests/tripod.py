"""A camera on a tripod, made of arithmetic: each shot has its own shift by parts of a pixel, its own noise and JPEG."""

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from textures import textured

from retrieval.dedupe.alike.photo_file import PhotoFile

Pixels = NDArray[np.uint8]  # (height, width, 3), RGB

NOISE = 2.0  # grey levels, root mean square, at middle brightness
QUALITY = 92


def scene(seed: int, size: tuple[int, int] = (640, 480)) -> Image.Image:
    """A scene as sharp as a lens shows it: drawn at twice the size, with fine texture."""
    large = textured(seed, (2 * size[0], 2 * size[1]), shapes=150)
    fine = np.random.default_rng((seed, 3)).normal(0, 22, (size[1], size[0], 1))
    values = np.asarray(large.resize(size, Image.Resampling.BOX), dtype=np.float64)
    return Image.fromarray(np.clip(values + cv2.GaussianBlur(fine, (0, 0), 0.8)[..., None], 0, 255).astype(np.uint8))


def shot(scene: Image.Image | Pixels, seed: int, *, stops: float = 0.0, noise: float = NOISE) -> Image.Image:
    """Take one photo of a scene, brighter by some stops; every seed is another exposure."""
    draw = np.random.default_rng((seed, 7))
    values = np.asarray(scene, dtype=np.float32)
    height, width = values.shape[:2]
    shift = np.float32([[1, 0, draw.uniform(0, 1)], [0, 1, draw.uniform(0, 1)]])
    moved = cv2.warpAffine(values, shift, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    light = (np.clip(moved, 0, 255) / 255) ** 2.2 * 2**stops
    light += noise / 110 * np.sqrt(light + 0.002) * draw.standard_normal(light.shape, np.float32)
    return Image.fromarray(np.round(255 * np.clip(light, 0, 1) ** (1 / 2.2)).astype(np.uint8))


def jpeg(picture: Image.Image, quality: int = QUALITY, *, exif: bytes = b"", name: str = "photo.jpg") -> PhotoFile:
    """The picture in a JPEG file, as cameras write them."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, exif=exif)
    return PhotoFile(buffer.getvalue(), name)


def png(picture: Image.Image, name: str = "picture.png") -> PhotoFile:
    """The picture in a file that loses nothing."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return PhotoFile(buffer.getvalue(), name)


def frames(*scenes: Image.Image | Pixels, seed: int = 1) -> list[PhotoFile]:
    """One photo of each scene, by one camera on one tripod."""
    return [jpeg(shot(scene, 1000 * seed + number)) for number, scene in enumerate(scenes)]


def settings(*, exposure_s: float = 1 / 250, second: int = 0) -> bytes:
    """EXIF of one shot."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Maker", "Model 7"
    exif[0x0132] = f"2019:06:01 12:00:{second:02}"
    details = exif.get_ifd(0x8769)
    details[0x9003] = exif[0x0132]
    details[0x829A] = exposure_s
    return exif.tobytes()


def page(lines: list[str], size: tuple[int, int]) -> Image.Image:
    """Dark words on white, as on a screen."""
    image = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size=18)
    for number, line in enumerate(lines):
        pen.text((30, 16 + 30 * number), line, "#202020", font=font)
    return image
