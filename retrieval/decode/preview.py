"""What a picture looks like, kept small: a thumbnail and a perceptual hash, to be compared without its file."""

import io
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.records import Preview

SIDE = 160  # pixels of the longer side: enough to find a crop of a quarter again, in about 5 kB
_QUALITY = 78
_HASHED = 32  # samples in each direction
_FREQUENCIES = 8  # in each direction: 64 bits
_ONE = 1 << 12  # 1.0 as an integer


def make_preview(image: Image.Image) -> Preview:
    """Make the preview of an upright RGB picture of any size.

    The thumbnail is not the same to the last bit wherever it is made: decoders and resizing differ between versions
    and processors by a grey level here and there, which moves a bit or two of the hash. Whoever compares hashes allows
    for more than that, since every edit of a picture does the same.
    """
    shrink = min(1.0, SIDE / max(image.size))
    size = max(1, round(image.width * shrink)), max(1, round(image.height * shrink))
    small = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
    encoded = io.BytesIO()
    small.save(encoded, "JPEG", quality=_QUALITY)
    thumbnail = encoded.getvalue()
    return Preview(perceptual_hash(thumbnail), thumbnail)


def perceptual_hash(thumbnail: bytes) -> bytes:
    """64 bits of the lowest frequencies of a JPEG, each above its median or not: 8 bytes (Zauner 2010, "pHash").

    Two hashes differ by few bits (Hamming distance) where one picture is the other in another size or compression.
    The same JPEG has the same hash on every machine: only its luma is decoded, which JPEG does in integers, and all
    that follows is in integers too. Raises OSError for bytes that are no thumbnail.
    """
    with Image.open(io.BytesIO(thumbnail), formats=("JPEG",)) as image:
        if max(image.size) > SIDE:
            raise OSError(f"a thumbnail has at most {SIDE} pixels a side, not {max(image.size)}")
        image.draft("L", None)
        luma = np.asarray(image.convert("L"), dtype=np.int64)
    height, width = luma.shape
    # At most 255 x 160 x 160 x 32 x 32 x 4096 x 4096, if the largest of all factors met: below 2 ** 57.
    frequencies = _wave_sums(height) @ luma @ _wave_sums(width).T
    median = np.sort(frequencies, axis=None)[frequencies.size // 2 - 1]  # the lower one: what is above is above both
    return np.packbits(frequencies > median).tobytes()


@cache
def _wave_sums(length: int) -> NDArray[np.int64]:
    """What each of `length` pixels adds to each frequency: (8, length).

    The pixels are resized to 32 samples by area, in 32nds of a pixel, which the first rows of the discrete cosine
    transform (type II) after the constant one then weigh.
    """
    samples, pixels = np.arange(_HASHED)[:, None], np.arange(length)[None, :]
    end = np.minimum((samples + 1) * length, (pixels + 1) * _HASHED)
    shared = np.maximum(0, end - np.maximum(samples * length, pixels * _HASHED))
    sums: NDArray[np.int64] = _cosines() @ shared
    return sums


def _cosines() -> NDArray[np.int64]:
    """Cosines times 4096, rounded: (8, 32). None is near a half, so that no processor's last bit decides."""
    frequency, place = np.arange(1, _FREQUENCIES + 1)[:, None], np.arange(_HASHED)[None, :]
    cosines: NDArray[np.float64] = np.cos(np.pi * frequency * (2 * place + 1) / (2 * _HASHED))
    return np.rint(_ONE * cosines).astype(np.int64)
