"""Pictures to learn from: out of folders of photos, without those that teach nothing; keeping them is `bundle`'s."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.archive.content import read_file
from retrieval.archive.walk import Walk, check_root
from retrieval.decode.photo import decode
from retrieval.errors import PhotoError

Pixels = NDArray[np.uint8]  # (height, width, 3), RGB, upright

MIN_SIDE = 64  # pixels; a crop of less is all interpolation
# Measured on photos and on decoders' test images: scans of text, charts, palettes and cartoons have more than this
# share of their pixels in two of 4,096 colours, or less than this deviation of brightness; few photos do.
MAX_FLAT_SHARE = 0.7
MIN_DEVIATION = 8.0  # of 255
MAX_DISTANCE = 3  # of 64 bits, between fingerprints of one picture


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One picture, at most as large as was asked for."""

    name: str  # folder and path below it, "/" between the parts
    pixels: Pixels


@dataclass(slots=True)
class Gathering:
    """One pass over folders; iterate it once, then read what it left out, and why."""

    folders: Sequence[Path]
    long_side: int  # pixels; larger pictures are scaled down to it
    sift: bool = True  # leave out what teaches nothing; without, only what cannot be decoded
    skipped: Counter[str] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[Picture]:
        """Yield the pictures, folder by folder; raises ArchiveError where one of the folders is none."""
        seen: list[int] = []
        for folder in self.folders:
            root = check_root(folder)
            for file in Walk(root, root):
                image = self._open(root / file.relative)
                if image is not None and self._teaches(image, seen):
                    yield Picture(f"{root.name}/{file.relative}", np.array(image))

    def _open(self, path: Path) -> Image.Image | None:
        try:
            content = read_file(path)
            # Twice the size, so that scaling down is what softens the picture, not a decoder's shortcut.
            wanted = (2 * self.long_side, 2 * self.long_side)
            image = decode(content.data, name=path.name, at_least=wanted).image
        except PhotoError:
            self.skipped["undecodable"] += 1
            return None
        image.thumbnail((self.long_side, self.long_side), Image.Resampling.LANCZOS)
        return image

    def _teaches(self, image: Image.Image, seen: list[int]) -> bool:
        if not self.sift:
            return True
        reason = why_not(image)
        if reason is None:
            fingerprint = difference_hash(image)
            if any((fingerprint ^ other).bit_count() <= MAX_DISTANCE for other in seen):
                reason = "duplicate"
            seen.append(fingerprint)
        if reason is not None:
            self.skipped[reason] += 1
        return reason is None


def why_not(image: Image.Image) -> str | None:
    """Why an RGB image teaches nothing: "tiny", "uniform" or "flat", as text and drawings are; None where it does."""
    if min(image.size) < MIN_SIDE:
        return "tiny"
    pixels = np.asarray(image.resize((128, 128), Image.Resampling.NEAREST)).reshape(-1, 3)
    if pixels.mean(axis=1).std() < MIN_DEVIATION:
        return "uniform"
    coarse = (pixels >> 4).astype(np.int32) @ np.array([256, 16, 1], dtype=np.int32)
    commonest = np.sort(np.bincount(coarse, minlength=4096))[-2:]
    return "flat" if commonest.sum() > MAX_FLAT_SHARE * len(coarse) else None


def difference_hash(image: Image.Image) -> int:
    """64 bits, each telling which of two neighbouring cells of a 9x8 grey thumbnail is brighter.

    The same picture in another format differs in a few bits at most, where neighbours are nearly alike.
    """
    cells = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    return int.from_bytes(np.packbits(cells[:, 1:] > cells[:, :-1]).tobytes(), "big")
