"""Scenes from a folder's photos, subjects in them, and the files of shots: what every recipe draws from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from shots.camera import FULL_WELL, Draw, Facts, Pixels, Scene, exposed, jpeg, to_linear
from shots.cutouts import Cutout

MOST_BLOWN_UP = 1.5  # times that a background's pixels are enlarged, unless none is large enough
DECODED = 1.3  # times the size that is needed: a part of it is cut out
# What EXIF says of two shots, and how often: most cameras write no sub-seconds, and many files come without EXIF.
TOLD = {"no EXIF": 0.35, "same second": 0.45, "sub-seconds": 0.1, "seconds apart": 0.1}


@dataclass(frozen=True, slots=True)
class Made:
    """The files of one set, and what may become of them."""

    files: dict[str, bytes]  # the first is the original, where there is one
    expectation: str
    told: str = ""  # what EXIF says
    place: tuple[float, float] | None = None  # where the pictures differ, as shares of width and height


@dataclass(frozen=True, slots=True)
class Shooting:
    """How the shots of one set are taken: the sensor's noise, and what the camera writes about them."""

    iso: int
    told: str
    facts: Facts
    number: int  # of the first file

    def name(self, shot: int) -> str:
        return f"{'DSC0' if self.told == 'no EXIF' else 'IMG_'}{self.number + shot:04}.jpg"

    def exif(self, shot: int, **other: float) -> bytes:
        """EXIF of a shot; `other` are facts in which it differs from the first."""
        if self.told == "no EXIF":
            return b""
        seconds = {"same second": 0.1, "sub-seconds": 0.13, "seconds apart": 3}[self.told] * shot
        return self.facts.later(seconds, **other).exif()


class Studio:
    """Draws scenes and subjects. The same folders and the same generator give the same ones."""

    def __init__(self, backgrounds: Sequence[Path], cutouts: Sequence[Cutout], sides: Sequence[int]) -> None:
        self._backgrounds = [(path, max(Image.open(path).size)) for path in backgrounds]
        self._cutouts = cutouts
        self._sides = sides  # to draw from, pixels

    def side(self, draw: Draw) -> int:
        return int(draw.choice(self._sides))

    def scene(self, draw: Draw, side: int | None = None) -> Scene:
        """A part of a background, as it is or mirrored, so that no two sets show one scene in the same way."""
        side = side or self.side(draw)
        share = draw.uniform(0.8, 1)
        large = [path for path, longest in self._backgrounds if longest * share * MOST_BLOWN_UP >= side]
        path = str(draw.choice([str(path) for path in large or [path for path, _ in self._backgrounds]]))
        pixels = _read(path, side)
        height, width = pixels.shape[:2]
        high, wide = round(height * share), round(width * share)
        top, left = draw.integers(height - high + 1), draw.integers(width - wide + 1)
        part = pixels[top : top + high, left : left + wide]
        return to_linear(resized(part[:, ::-1] if draw.integers(2) else part, side))

    def cutout(self, draw: Draw) -> Cutout:
        return self._cutouts[draw.integers(len(self._cutouts))]

    def two_cutouts(self, draw: Draw) -> tuple[Cutout, Cutout]:
        first, second = draw.choice(len(self._cutouts), 2, replace=False)
        return self._cutouts[first], self._cutouts[second]

    def shooting(self, draw: Draw) -> Shooting:
        iso = int(draw.choice(list(FULL_WELL)))
        told = str(draw.choice(list(TOLD), p=list(TOLD.values())))
        second = int(draw.integers(300_000_000))
        moment = datetime(2015, 1, 1) + timedelta(seconds=second, milliseconds=40)
        facts = Facts(moment, told == "sub-seconds", iso, float(draw.choice([1 / 1000, 1 / 250, 1 / 60])))
        return Shooting(iso, told, facts, int(draw.integers(1, 9000)))

    def shots(self, scenes: Sequence[Scene], draw: Draw, place: tuple[float, float] | None = None) -> Made:
        """Take a photo of each scene with one camera: none of the files may go."""
        shooting = self.shooting(draw)
        files = {
            shooting.name(shot): jpeg(exposed(scene, draw, shooting.iso), quality(draw), shooting.exif(shot))
            for shot, scene in enumerate(scenes)
        }
        return Made(files, "never", shooting.told, place)


def quality(draw: Draw) -> int:
    return int(draw.integers(85, 95, endpoint=True))


def _read(path: str, side: int) -> Pixels:
    """A photo, upright, at least this large where it is; decoded no larger than needed."""
    image = Image.open(path)
    share = min(1, DECODED * side / max(image.size))
    image.draft("RGB", (round(image.width * share), round(image.height * share)))
    return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def resized(pixels: Pixels, side: int) -> Pixels:
    """Scale the longer side to this many pixels; both become even, as sensors have them."""
    scale = side / max(pixels.shape[:2])
    height, width = (2 * round(length * scale / 2) for length in pixels.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(pixels, (width, height), interpolation=how)
