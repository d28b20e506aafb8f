"""Subjects placed in scenes, as they are, mirrored, bent, or toned like what is behind them."""

import cv2
import numpy as np
from numpy.typing import NDArray

from shots.camera import Draw, Scene, to_linear
from shots.cutouts import Cutout

Place = tuple[float, float]  # of a subject's centre, as shares of width and height


def somewhere(draw: Draw) -> Place:
    x, y = draw.uniform(0.12, 0.88, 2)
    return float(x), float(y)


def elsewhere(draw: Draw, place: Place, least: float) -> Place:
    """A place at least so far away, as a share of the width or height."""
    for _ in range(100):
        other = somewhere(draw)
        if max(abs(other[0] - place[0]), abs(other[1] - place[1])) >= least:
            return other
    return 1 - place[0], 1 - place[1]


def placed(scene: Scene, cutout: Cutout, place: Place, share: float, camouflage: float = 0.0) -> Scene:
    """Place a subject whose longer side is this share of the scene's; `camouflage` from 0 to 1 tones it down."""
    height, width = scene.shape[:2]
    colours, alpha = _scaled(cutout, share * max(height, width))
    high, wide = alpha.shape[:2]
    high, wide = min(high, height), min(wide, width)
    top = int(np.clip(round(place[1] * height - high / 2), 0, height - high))
    left = int(np.clip(round(place[0] * width - wide / 2), 0, width - wide))
    box = np.s_[top : top + high, left : left + wide]
    colours, alpha, behind = colours[:high, :wide], alpha[:high, :wide, None], scene[box]
    if camouflage:
        colours = camouflage * _toned(colours, alpha, behind) + (1 - camouflage) * colours
    after = scene.copy()
    after[box] = behind * (1 - alpha) + colours * alpha
    return after


def _scaled(cutout: Cutout, longest: float) -> tuple[Scene, NDArray[np.float32]]:
    """Colours in linear light and alpha, at a size; colours weighted by alpha, so that no halo is carried along."""
    scale = longest / max(cutout.shape[:2])
    alpha = cutout[..., 3:].astype(np.float32) / 255
    both = np.dstack([to_linear(cutout[..., :3]) * alpha, alpha])
    size = tuple(max(3, round(length * scale)) for length in cutout.shape[1::-1])
    both = np.clip(cv2.resize(both, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC), 0, 1)
    return both[..., :3] / np.maximum(both[..., 3:], 1e-3), both[..., 3]


def _toned(colours: Scene, alpha: NDArray[np.float32], behind: Scene) -> Scene:
    """A subject in the mean colour and the contrast of what is behind it."""
    weights = alpha / max(alpha.sum(), 1e-3)
    mean = (colours * weights).sum(axis=(0, 1))
    spread = np.sqrt(((colours - mean) ** 2 * weights).sum(axis=(0, 1))).mean()
    own = behind.mean(axis=(0, 1))
    wanted = max(float(behind.std(axis=(0, 1)).mean()), 0.12 * float(own.mean()))
    return np.clip(own + (colours - mean) * wanted / max(float(spread), 1e-3), 0, 1)


def mirrored(cutout: Cutout) -> Cutout:
    return np.ascontiguousarray(cutout[:, ::-1])


def bent(cutout: Cutout, draw: Draw) -> Cutout:
    """A subject in another pose: turned a little, and its parts moved against each other."""
    padded = np.pad(cutout, [(round(0.15 * length),) * 2 for length in cutout.shape[:2]] + [(0, 0)])
    height, width = padded.shape[:2]
    angle = float(draw.choice([-1, 1]) * draw.uniform(8, 20))
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1)
    turned = cv2.warpAffine(padded, turn, (width, height), flags=cv2.INTER_CUBIC)
    return moved_about(turned, draw, 0.08 * max(height, width), max(height, width) / 5)


def moved_about(
    pixels: NDArray, draw: Draw, amount: float, width: float, mask: NDArray[np.float32] | None = None
) -> NDArray:
    """Displace pixels smoothly by about `amount` pixels, over patches about `width` pixels wide."""
    high, wide = pixels.shape[:2]
    grid = draw.standard_normal((2, max(3, round(high / width) + 2), max(3, round(wide / width) + 2)), np.float32)
    fields = [cv2.resize(one, (wide, high), interpolation=cv2.INTER_CUBIC) * amount for one in grid]
    if mask is not None:
        fields = [field * mask for field in fields]
    y, x = np.mgrid[:high, :wide].astype(np.float32)
    return cv2.remap(pixels, x + fields[0], y + fields[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
