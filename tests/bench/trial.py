"""Archives with duplicates that are known: what is in each file, and what a list of found pairs is worth."""

import csv
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import combinations
from pathlib import Path

import numpy as np
from copies import Draw, draw_copy
from PIL import Image, UnidentifiedImageError

from retrieval.archive.content import hash_file
from retrieval.archive.walk import Walk
from retrieval.decode.photo import decode
from retrieval.errors import PhotoError

Pair = tuple[str, str]  # two files, relative to the archive, in order


@dataclass(frozen=True, slots=True)
class Score:
    """What pairs are worth: counts of pairs."""

    right: int
    false: int
    missed: int

    @property
    def precision(self) -> float:
        return self.right / max(1, self.right + self.false)

    @property
    def recall(self) -> float:
        return self.right / max(1, self.right + self.missed)

    @property
    def f1(self) -> float:
        return 2 * self.right / max(1, 2 * self.right + self.false + self.missed)


@dataclass(slots=True)
class Trial:
    """An archive, and which of its files show the same photo."""

    folder: Path
    known: frozenset[Pair] = frozenset()  # families that the collection held twice: pairs between them do not count
    family: dict[str, str] = field(default_factory=dict)  # file -> the original it comes from
    edits: dict[str, tuple[str, ...]] = field(default_factory=dict)  # file -> edits; none for originals

    def add(self, path: Path, family: str, edits: tuple[str, ...] = ()) -> str:
        file = path.relative_to(self.folder).as_posix()
        self.family[file], self.edits[file] = family, edits
        return file

    def copies(self) -> list[str]:
        return [file for file, edits in self.edits.items() if edits]

    def original_pairs(self) -> dict[Pair, tuple[str, ...]]:
        """Each copy beside its original, and the edits between them."""
        originals = self._originals()
        return {ordered(copy, originals[self.family[copy]]): self.edits[copy] for copy in self.copies()}

    def pairs(self) -> set[Pair]:
        """All pairs of files within families."""
        members: dict[str, list[str]] = {}
        for file, family in self.family.items():
            members.setdefault(family, []).append(file)
        return {ordered(*pair) for files in members.values() for pair in combinations(files, 2)}

    def counts(self, pair: Pair) -> bool:
        return ordered(*(self.family[file] for file in pair)) not in self.known

    def false(self, found: set[Pair]) -> list[Pair]:
        return sorted(pair for pair in found - self.pairs() if self.counts(pair))

    def score(self, found: set[Pair]) -> Score:
        true = self.pairs()
        return Score(len(found & true), len(self.false(found)), len(true - found))

    def write_truth(self, path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            rows = csv.writer(file)
            rows.writerow(("file", "family", "edits"))
            rows.writerows((name, family, " + ".join(self.edits[name])) for name, family in self.family.items())

    def _originals(self) -> dict[str, str]:
        return {family: file for file, family in self.family.items() if not self.edits[file]}


def ordered(a: str, b: str) -> Pair:
    return (a, b) if a <= b else (b, a)


def sources(folder: Path) -> list[str]:
    """The photos of a folder, relative to it."""
    return [seen.relative for seen in Walk(folder, folder)]


def opened(path: Path) -> Image.Image:
    """A photo, upright, in RGB."""
    return decode(path.read_bytes(), name=path.name).image


def known_pairs(folder: Path, photos: Iterable[str], listed: Path | None) -> frozenset[Pair]:
    """Pairs of sources that are the same photo: those of the same bytes, and those that a CSV file lists."""
    by_hash: dict[bytes, list[str]] = {}
    for photo in photos:
        by_hash.setdefault(hash_file(folder / photo), []).append(photo)
    known = {ordered(*pair) for same in by_hash.values() for pair in combinations(same, 2)}
    if listed:
        with listed.open(newline="", encoding="utf-8") as file:
            known |= {ordered(row[0], row[1]) for row in csv.reader(file) if row}
    return frozenset(known)


def edited_archive(photos: Path, chosen: list[str], originals: int, trial: Trial, seed: int) -> None:
    """Copy the photos into the archive, and make 1 to 4 edited copies of the first `originals` that can be read."""
    made = 0
    for number, source in enumerate(chosen):
        path = trial.folder / source
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(photos / source, path)
        trial.add(path, source)
        if made < originals:
            made += _make_copies(path, source, trial, number, np.random.default_rng((seed, number)))


def _make_copies(path: Path, source: str, trial: Trial, number: int, draw: Draw) -> bool:
    """Edited copies beside the photo, or in a folder of exports; metadata is kept or dropped."""
    try:
        photo = opened(path)
    except PhotoError:
        return False
    for copy in range(draw.integers(1, 4, endpoint=True)):
        folder = path.parent if draw.integers(2) else trial.folder / "exports" / Path(source).parent
        exif = metadata(path) if draw.integers(2) else b""
        saved = draw_copy(photo, draw)
        trial.add(saved.save(folder / f"{path.stem}-{number:04}-{copy}", exif), source, saved.edits)
    return True


def metadata(path: Path) -> bytes:
    """The EXIF block of a photo file, without the orientation: copies are saved upright. Empty where there is none."""
    try:
        with Image.open(path) as image:
            exif = image.getexif()
    except UnidentifiedImageError:
        return b""
    exif.pop(0x0112, None)
    return exif.tobytes() if exif else b""


def bursts(photos: Path, trial: Trial, size: int = 10) -> Iterator[list[str]]:
    """Different photos of one folder, as many at a time, dressed as one camera's burst: a second between them."""
    by_folder: dict[Path, list[str]] = {}
    for source in sources(photos):
        by_folder.setdefault(Path(source).parent, []).append(source)
    moment = datetime(2024, 5, 1, 6)
    for folder, files in by_folder.items():
        for start in range(0, len(files) - 1, size):
            burst = files[start : start + size]
            shots = [trial.folder / folder / f"burst-{start:04}-{number:02}.jpg" for number in range(len(burst))]
            for second, (source, shot) in enumerate(zip(burst, shots, strict=True)):
                _dress(photos / source, shot, moment + timedelta(seconds=second))
            yield [trial.add(shot, source) for source, shot in zip(burst, shots, strict=True)]
            moment += timedelta(hours=1)


def _dress(photo: Path, path: Path, moment: datetime) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Maker", "Camera"
    exif.get_ifd(0x8769)[0x9003] = f"{moment:%Y:%m:%d %H:%M:%S}"
    path.parent.mkdir(parents=True, exist_ok=True)
    opened(photo).save(path, quality=95, exif=exif.tobytes())
