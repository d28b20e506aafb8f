"""What a picture looks like, kept small: a thumbnail and a perceptual hash, to be compared without its file."""

import io
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.records import Preview

SIDE = 160  # pixels of the longer side: enough to find a crop of a quarter again, in about 5 kB
_QUALITY = 78
_HASHED = 32  # pixels of the square that is hashed
_KEPT = 8  # frequencies in each direction: 64 bits


def make_preview(image: Image.Image) -> Preview:
    """The look of an upright RGB picture of any size."""
    shrink = min(1.0, SIDE / max(image.size))
    size = max(1, round(image.width * shrink)), max(1, round(image.height * shrink))
    small = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
    encoded = io.BytesIO()
    small.save(encoded, "JPEG", quality=_QUALITY)
    return Preview(perceptual_hash(small), encoded.getvalue())


def perceptual_hash(image: Image.Image) -> bytes:
    """64 bits of the lowest frequencies, each above or below their median: 8 bytes (Zauner 2010, "pHash").

    Two hashes differ by few bits (Hamming distance) where one picture is the other in another size or compression.
    """
    grey = image.convert("L").resize((_HASHED, _HASHED), Image.Resampling.BOX)
    cosines = _cosines()
    frequencies = cosines @ np.asarray(grey, dtype=np.float64) @ cosines.T
    return np.packbits(frequencies > np.median(frequencies)).tobytes()


@cache
def _cosines() -> NDArray[np.float64]:
    """The first rows of the discrete cosine transform (type II) after the constant one: (8, 32)."""
    frequency, place = np.arange(1, _KEPT + 1)[:, None], np.arange(_HASHED)[None, :]
    return np.cos(np.pi * frequency * (place + 0.5) / _HASHED)
