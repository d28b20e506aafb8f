"""A crowd of different pictures from few photos, for measuring how time grows; a tenth are edited copies of others.

No two are the same picture, by construction: each shows a window of a photo that no other shows any part of, under a
texture of its own that hides half of it on average. And it is checked: a picture whose thumbnail is like that of an
earlier one, in any of the eight ways it can lie, is drawn again from another window.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from copies import Draw, draw_copy
from numpy.typing import NDArray
from PIL import Image
from trial import Trial, opened, sources

from retrieval.errors import PhotoError

SIZE = (400, 300)
EVERY = 10  # one in so many is an edited copy
FOLDER_SIZE = 500
THUMBNAIL = 16
TOO_LIKE = 0.8  # correlation of grey thumbnails
SPARE = 1.3  # windows for each picture: some are drawn in vain

Window = tuple[str, int, int]  # photo, column and row


class Crowd:
    """Writes pictures into a trial's archive, up to `size`; `highest` correlation let pass, and how many `redrawn`."""

    def __init__(self, photos: Path, trial: Trial, size: int, seed: int) -> None:
        self.photos = photos
        self.trial = trial
        self.redrawn = 0
        self.highest = -1.0
        self._seed = seed
        self._kept = 0
        self._thumbnails = np.empty((size, THUMBNAIL**2), dtype=np.float32)
        names = sources(photos)
        self._cells = math.ceil(math.sqrt(size * SPARE / len(names)))  # a side of each photo
        self._windows = self._shuffled(names)
        self._files = self._write()

    def grow(self, count: int) -> None:
        """Write the next files until there are `count`."""
        while len(self.trial.family) < count:
            next(self._files)

    def _shuffled(self, names: list[str]) -> Iterator[Window]:
        windows = [(name, x, y) for name in names for x in range(self._cells) for y in range(self._cells)]
        for place in np.random.default_rng(self._seed).permutation(len(windows)):
            yield windows[place]

    def _write(self) -> Iterator[None]:
        recent: list[tuple[str, Image.Image]] = []
        number = 0
        while True:
            draw = np.random.default_rng((self._seed, number))
            stem = self.trial.folder / f"{number // FOLDER_SIZE:04}" / f"{number:06}"
            stem.parent.mkdir(parents=True, exist_ok=True)
            if len(recent) == EVERY - 1:
                family, image = recent[draw.integers(len(recent))]
                copy = draw_copy(image, draw)
                self.trial.add(copy.save(stem, b""), family, copy.edits)
                recent.clear()
            else:
                path, image = stem.with_suffix(".jpg"), self._different(draw)
                image.save(path, quality=90)
                self.trial.add(path, family=stem.name)
                recent.append((stem.name, image))
            number += 1
            yield

    def _different(self, draw: Draw) -> Image.Image:
        for window in self._windows:
            try:
                image = picture(self._cut(window), draw)
            except PhotoError:
                continue
            match = self._match(image)
            if match < TOO_LIKE:
                self.highest = max(self.highest, match)
                return image
            self.redrawn += 1
        raise SystemExit("too few photos for so large a crowd of different pictures: give a folder with more")

    def _cut(self, window: Window) -> Image.Image:
        name, x, y = window
        photo = opened(self.photos / name)
        width, height = photo.width / self._cells, photo.height / self._cells
        left, top = round(x * width), round(y * height)
        cut = photo.crop((left, top, round((x + 1) * width), round((y + 1) * height)))
        return cut.resize(SIZE, Image.Resampling.BICUBIC)

    def _match(self, image: Image.Image) -> float:
        """The highest correlation with an earlier picture; remembers this one, if it is kept."""
        grey = np.asarray(image.convert("L").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX), dtype=np.float32)
        grey = (grey - grey.mean()) / max(1.0, float(np.linalg.norm(grey - grey.mean())))
        lying = [np.rot90(way, turns).ravel() for way in (grey, grey[:, ::-1]) for turns in range(4)]
        highest = float((self._thumbnails[: self._kept] @ np.stack(lying).T).max(initial=-1.0))
        if highest < TOO_LIKE:
            self._thumbnails[self._kept] = grey.ravel()
            self._kept += 1
        return highest


def picture(window: Image.Image, draw: Draw) -> Image.Image:
    """A window under a texture, whose thickness varies over the picture from nothing to all."""
    photo = np.asarray(window, dtype=np.float32)
    thickness = np.clip(octaves(draw, 1, (3, 6)) / 2 + 0.5, 0, 1)
    texture = np.clip(octaves(draw, 3, (4, 8, 16, 32, 64, 128)) * 60 + draw.uniform(60, 190, 3), 0, 255)
    return Image.fromarray((photo * (1 - thickness) + texture * thickness).astype(np.uint8))


def octaves(draw: Draw, channels: int, cells: tuple[int, ...]) -> NDArray[np.float32]:
    """Smooth random values with detail of several sizes, coarse ones strongest: (height, width, channels)."""
    total = np.zeros((SIZE[1], SIZE[0], channels), dtype=np.float32)
    for finer, across in enumerate(cells):
        for channel in range(channels):
            noise = Image.fromarray(draw.standard_normal((across * 3 // 4, across)).astype(np.float32))
            total[:, :, channel] += np.asarray(noise.resize(SIZE, Image.Resampling.BICUBIC)) / (1 + finer) ** 0.5
    return total
