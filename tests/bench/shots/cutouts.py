"""Subjects to place in scenes: cut out of photos without help, read as they are, or drawn."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from shots.camera import Draw

Cutout = NDArray[np.uint8]  # (height, width, 4) RGBA

MASK_SIDE = 160  # pixels of the longer side at which a subject is looked for
MARGIN = 0.12  # of the frame on each side is taken for background
SMALLEST, LARGEST = 0.05, 0.55  # shares of the photo that a subject may take
WHOLE = 0.8  # of all that was found must hang together
SHAPES = 40


def from_folder(folder: Path) -> list[Cutout]:
    """Read pictures with alpha."""
    return [np.asarray(Image.open(path).convert("RGBA")) for path in sorted(folder.rglob("*.png"))]


def cut(photo: Image.Image) -> Cutout | None:
    """Cut out what stands in the middle of a photo; None where that does not look like one subject."""
    pixels = np.asarray(photo.convert("RGB"))
    mask = _subject(pixels)
    if mask is None:
        return None
    height, width = pixels.shape[:2]
    alpha = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    alpha = np.clip(cv2.GaussianBlur(alpha, (0, 0), max(height, width) / 400) * 1.6 - 0.3, 0, 1)
    rows, columns = np.flatnonzero(alpha.max(axis=1) > 0.5), np.flatnonzero(alpha.max(axis=0) > 0.5)
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.dstack([pixels[box], np.round(255 * alpha[box]).astype(np.uint8)])


def _subject(pixels: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """The largest piece of foreground, if most of the foreground is in it and it keeps clear of the frame's edge."""
    scale = MASK_SIDE / max(pixels.shape[:2])
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = small.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    x, y = round(width * MARGIN), round(height * MARGIN)
    cv2.setRNGSeed(1)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(small, mask, (x, y, width - 2 * x, height - 2 * y), *models, 3, cv2.GC_INIT_WITH_RECT)
    found = cv2.morphologyEx(np.isin(mask, (1, 3)).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(found)
    if count < 2:
        return None
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    area = int(stats[largest, cv2.CC_STAT_AREA])
    left, top, wide, high = (int(value) for value in stats[largest, :4])
    sides_touched = sum((left <= x, top <= y, left + wide >= width - x, top + high >= height - y))
    plausible = SMALLEST < area / found.size < LARGEST and area > WHOLE * found.sum() and sides_touched < 3
    return labels == largest if plausible else None


def drawn(draw: Draw) -> list[Cutout]:
    """Shapes of ellipses in two tones with texture, where there is nothing to cut out."""
    return [_shape(draw) for _ in range(SHAPES)]


def _shape(draw: Draw, side: int = 300) -> Cutout:
    mask = Image.new("L", (side, side))
    pen = ImageDraw.Draw(mask)
    for _ in range(draw.integers(2, 5)):
        x, y = draw.uniform(0.2, 0.8, 2) * side
        wide, high = draw.uniform(0.1, 0.3, 2) * side
        pen.ellipse((x - wide, y - high, x + wide, y + high), 255)
    alpha = cv2.GaussianBlur(np.asarray(mask), (0, 0), 1.5)
    texture = draw.standard_normal((side, side, 1), np.float32)
    texture = sum(cv2.GaussianBlur(texture, (0, 0), width) * width for width in (1, 3, 9))[..., None]
    tones = draw.uniform(20, 235, 3) + 40 * texture * draw.uniform(0.5, 1, 3)
    return np.dstack([np.clip(tones, 0, 255).astype(np.uint8), alpha])
