"""From a file, bytes, a PIL image or an array to the pixels a network takes; decoding itself is `decode`'s."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from retrieval.archive.content import read_file
from retrieval.decode.photo import MAX_PIXELS, Decoded, decode, resize, upright_rgb
from retrieval.decode.preview import make_preview
from retrieval.errors import PhotoError
from retrieval.records import Failure, Outcome, Source

Item = TypeVar("Item")
Pixels = NDArray[np.uint8]  # (height, width, 3), RGB, the network's input size
Image = str | os.PathLike[str] | bytes | bytearray | memoryview | PillowImage.Image | NDArray[np.uint8]
IMAGES = "a path, the bytes of a file, a Pillow image, or an array of uint8"

# A JPEG decoded to at least twice the input keeps a mean cosine of 0.9994 to the full decode, at a third of the time;
# to once the input it falls to 0.966 at worst.
DECODE_SCALE = 2


@dataclass(frozen=True, slots=True, eq=False)
class ArchiveFile:
    """A file that was read, with its bytes; no data where it needs no decoding, because it failed or is known."""

    outcome: Outcome
    data: bytes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Prepared(Generic[Item]):
    """Something with the pixels that the network is to see; none where it needs no network pass."""

    item: Item
    pixels: Pixels | None = None


@dataclass(frozen=True, slots=True)
class Preparation:
    """How photos become a network's input. Everything here may be called from any thread."""

    height: int  # pixels
    width: int
    max_pixels: int = MAX_PIXELS
    allow_truncated: bool = False

    def file(self, file: ArchiveFile) -> Prepared[Outcome]:
        """Decode a file that was read; one that cannot be decoded gets its failure."""
        outcome = file.outcome
        if file.data is None:
            return Prepared(outcome)
        try:
            decoded = self._decode(file.data, outcome.path.name)
            complete = replace(outcome, facts=decoded.facts, preview=make_preview(decoded.image))
            return Prepared(complete, self._fit(decoded))
        except PhotoError as error:
            return Prepared(replace(outcome, failure=Failure(outcome.path, error.kind, error.reason)))

    def image(self, image: Image) -> Pixels:
        """Make one image ready; raise PhotoError where it cannot be read."""
        if isinstance(image, np.ndarray):
            return resize(_from_array(image), self.width, self.height)
        if isinstance(image, PillowImage.Image):
            return resize(upright_rgb(image), self.width, self.height)
        if (data := bytes_of(image)) is not None:
            return self._fit(self._decode(data, ""))
        if (path := path_of(image)) is not None:
            return self._fit(self._decode(read_file(path).data, path.name))
        raise PhotoError("unsupported", f"{type(image).__name__} is not an image: give {IMAGES}")

    def _decode(self, data: bytes, name: str) -> Decoded:
        at_least = (DECODE_SCALE * self.width, DECODE_SCALE * self.height)
        return decode(
            data, name=name, at_least=at_least, max_pixels=self.max_pixels, allow_truncated=self.allow_truncated
        )

    def _fit(self, decoded: Decoded) -> Pixels:
        return resize(decoded.image, self.width, self.height, decoded.box)


def read_source(source: Source, path: Path) -> ArchiveFile:
    """Read and hash a file of the archive; one that cannot be read gets its failure."""
    try:
        content = read_file(path)
    except PhotoError as error:
        failure = Failure(path, error.kind, error.reason)
        return ArchiveFile(Outcome(source, path, source.size, source.mtime_ns, None, failure=failure))
    return ArchiveFile(Outcome(source, path, content.size, content.mtime_ns, content.hash), content.data)


def _from_array(array: NDArray[np.uint8]) -> PillowImage.Image:
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.size == 0 or array.shape[2:] not in ((), (3,)):
        raise PhotoError(
            "unsupported",
            f"an array of shape {array.shape} and type {array.dtype} is not an image: "
            "give uint8, (height, width, 3) or (height, width)",
        )
    return PillowImage.fromarray(array).convert("RGB")


def path_of(image: Image) -> Path | None:
    """Return the path of an image that is given as a file; None for one in memory."""
    return Path(os.fsdecode(image)) if isinstance(image, str | os.PathLike) else None


def bytes_of(image: Image) -> bytes | None:
    """Return the bytes of an image that is given as the contents of a file; None for any other."""
    if isinstance(image, bytes):
        return image
    return bytes(image) if isinstance(image, bytearray | memoryview) else None


def name_of(image: Image) -> str:
    """Return how to call an image in messages and answers."""
    if isinstance(image, str | os.PathLike):
        return os.fsdecode(image)
    return "-" if isinstance(image, bytes | bytearray | memoryview) else f"<{type(image).__name__}>"
