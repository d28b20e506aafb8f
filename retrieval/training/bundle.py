"""A bundle: pictures in one small file that travels to the machine that trains; choosing them is `pictures`' work.

It is a plain ZIP archive of JPEGs, named after the files that they were made of, so that any tool can look into it.
"""

import io
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from retrieval.durable import replacing
from retrieval.errors import ArchiveError
from retrieval.training.pictures import Gathering, Picture

LONG_SIDE = 512  # pixels: crops of a tenth of the area still have half the student's resolution
QUALITY = 88  # of JPEG: its noise stays below that of the views' own recompression
_EPOCH = (1980, 1, 1, 0, 0, 0)  # a fixed time, so that the same pictures make the same file


@dataclass(frozen=True, slots=True)
class Packed:
    """What went into a bundle and what did not."""

    pictures: int
    bytes: int  # of the file
    skipped: dict[str, int]  # reason: files


def pack(
    folders: Sequence[Path], path: Path, *, long_side: int = LONG_SIDE, quality: int = QUALITY, sift: bool = True
) -> Packed:
    """Write the pictures of some folders as one file, all of it or nothing.

    Without `sift`, everything that can be decoded is kept, as measuring needs it. Raises ArchiveError where a
    folder is none or nothing is left, and OSError.
    """
    gathering = Gathering(folders, long_side, sift)
    with replacing(path) as partial:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as file:
            for picture in gathering:
                file.writestr(zipfile.ZipInfo(f"{picture.name}.jpg", _EPOCH), _jpeg(picture, quality))
            count = len(file.namelist())
        if not count:
            raise ArchiveError(_nothing(folders, gathering.skipped))
    return Packed(count, path.stat().st_size, dict(gathering.skipped))


def load(sources: Sequence[Path], *, long_side: int = LONG_SIDE, sift: bool = True) -> list[Picture]:
    """The pictures of bundles and folders, in order.

    Raises ArchiveError where one is missing or broken, or where nothing is left.
    """
    pictures: list[Picture] = []
    skipped: Counter[str] = Counter()
    for source in sources:
        if source.is_file():
            pictures.extend(_unpack(source, long_side))
        else:
            gathering = Gathering([source], long_side, sift, skipped)
            pictures.extend(gathering)
    if not pictures:
        raise ArchiveError(_nothing(sources, skipped))
    return pictures


def _jpeg(picture: Picture, quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture.pixels).save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


def _unpack(path: Path, long_side: int) -> Iterator[Picture]:
    try:
        with zipfile.ZipFile(path) as file:
            for name in file.namelist():
                image = Image.open(io.BytesIO(file.read(name))).convert("RGB")
                image.thumbnail((long_side, long_side), Image.Resampling.LANCZOS)
                yield Picture(name, np.array(image))
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ArchiveError(f"{path} is no bundle of pictures ({error}): make it again with `pack`") from error


def _nothing(sources: Sequence[Path], skipped: Counter[str]) -> str:
    places = ", ".join(str(source) for source in sources)
    reasons = ", ".join(f"{count} {reason}" for reason, count in skipped.items())
    return f"no pictures to learn from in {places}" + (f" (left out: {reasons})" if reasons else "")
