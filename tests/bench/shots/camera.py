"""A camera made of arithmetic: a scene in linear light becomes a photo with its own shift, sensor noise and JPEG."""

import io
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Draw = np.random.Generator
Scene = NDArray[np.float32]  # (height, width, 3) RGB, linear light, 1 is white
Pixels = NDArray[np.uint8]  # (height, width, 3) RGB, sRGB

# Electrons that a sensor's pixel holds at white, by ISO: shot noise is their square root.
FULL_WELL = {100: 20_000, 400: 8_000, 800: 4_500, 1600: 2_400, 3200: 1_200}
READ_NOISE = 4.0  # electrons
CHROMA_SMOOTHED_FROM = 1600  # ISO from which cameras smooth colours

_CODES = np.arange(256) / 255
_LINEAR = np.where(_CODES <= 0.04045, _CODES / 12.92, ((_CODES + 0.055) / 1.055) ** 2.4).astype(np.float32)
_LEVELS = np.arange(65536) / 65535
_CURVE = np.where(_LEVELS <= 0.0031308, 12.92 * _LEVELS, 1.055 * _LEVELS ** (1 / 2.4) - 0.055)
_SRGB = np.round(255 * _CURVE).astype(np.uint8)


def to_linear(pixels: Pixels) -> Scene:
    return cv2.LUT(pixels, _LINEAR)


def to_srgb(scene: Scene) -> Pixels:
    return np.take(_SRGB, _sixteen_bits(scene))


def _sixteen_bits(linear: NDArray[np.float32]) -> NDArray[np.uint16]:
    return np.round(np.clip(linear, 0, 1) * 65535).astype(np.uint16)


def shifted(scene: Scene, x: float, y: float) -> Scene:
    """Move a scene by parts of a pixel to the right and down, by cubic interpolation (Keys, 1981)."""
    return cv2.sepFilter2D(scene, -1, _taps(x), _taps(y), borderType=cv2.BORDER_REFLECT)


def _taps(shift: float) -> NDArray[np.float32]:
    distance = np.abs(np.arange(-2, 3) + shift)
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0)).astype(np.float32)


def exposed(scene: Scene, draw: Draw, iso: int, tripod: bool = True) -> Pixels:
    """Take a photo: shift by up to a pixel, sample through a Bayer filter, add noise, interpolate colours."""
    if tripod:
        scene = shifted(scene, draw.uniform(0, 1), draw.uniform(0, 1))
    scene = np.clip(scene, 0, 1)
    raw = np.empty(scene.shape[:2], np.float32)
    for y, x, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        raw[y::2, x::2] = scene[y::2, x::2, channel]
    electrons = FULL_WELL[iso]
    deviation = np.sqrt(raw / electrons + (READ_NOISE / electrons) ** 2)
    raw += deviation * draw.standard_normal(raw.shape, np.float32)
    pixels = np.take(_SRGB, cv2.cvtColor(_sixteen_bits(raw), cv2.COLOR_BayerRGGB2RGB_EA))
    return _smooth_chroma(pixels) if iso >= CHROMA_SMOOTHED_FROM else pixels


def _smooth_chroma(pixels: Pixels) -> Pixels:
    luma, *chroma = cv2.split(cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb))
    smooth = [cv2.blur(plane, (5, 5)) for plane in chroma]
    return cv2.cvtColor(cv2.merge([luma, *smooth]), cv2.COLOR_YCrCb2RGB)


def jpeg(pixels: Pixels | Image.Image, quality: int, exif: bytes = b"") -> bytes:
    """A JPEG file as cameras and most programs write them, with colours at half the size."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    return saved(image, "JPEG", quality=quality, subsampling="4:2:0", exif=exif)


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Facts:
    """What a camera writes into its files about one shot."""

    moment: datetime
    sub_seconds: bool  # whether it writes them
    iso: int
    exposure_s: float = 1 / 250
    aperture: float = 5.6
    bias: float = 0.0  # stops
    camera: str = "Model 7"

    def later(self, seconds: float, **other: Any) -> "Facts":
        kept = {name: getattr(self, name) for name in self.__slots__}
        return Facts(**{**kept, "moment": self.moment + timedelta(seconds=seconds), **other})

    def exif(self) -> bytes:
        exif = Image.Exif()
        exif[0x010F], exif[0x0110] = "Maker", self.camera
        exif[0x0132] = f"{self.moment:%Y:%m:%d %H:%M:%S}"
        details = exif.get_ifd(0x8769)
        details[0x9003] = details[0x9004] = exif[0x0132]
        details[0x829A], details[0x829D], details[0x8827] = self.exposure_s, self.aperture, self.iso
        details[0x9204] = self.bias
        if self.sub_seconds:
            details[0x9291] = f"{self.moment.microsecond // 10_000:02}"
        return exif.tobytes()
