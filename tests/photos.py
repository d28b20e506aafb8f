"""Photos that tests make for themselves: smooth random scenes, different for every seed."""

from pathlib import Path

import numpy as np
from PIL import Image


def scene(seed: int, size: tuple[int, int] = (96, 64)) -> Image.Image:
    """Draw a picture of blurred colour patches; `size` is (width, height)."""
    patches = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize(size, Image.Resampling.BICUBIC)


def photo(path: Path, seed: int, size: tuple[int, int] = (96, 64), **save: object) -> Path:
    """Save a scene; the suffix chooses the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scene(seed, size).save(path, **save)
    return path


def archive(folder: Path, count: int, first_seed: int = 0) -> Path:
    """Make a folder of `count` different photos."""
    for number in range(count):
        photo(folder / f"{number:03}.jpg", first_seed + number)
    return folder
