"""The archive of a run: sets of files in folders by category and size, and `truth.csv`, which says what may go."""

import csv
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from itertools import combinations
from pathlib import Path

import numpy as np

from shots import expectations
from shots.recipe import Recipe
from shots.studio import Made, Studio


@dataclass(frozen=True, slots=True)
class Set:
    """Files that are judged against each other."""

    category: str
    size: str
    folder: str  # within the archive
    files: tuple[str, ...]  # the first is the original, where there is one
    expectation: str
    told: str = ""  # what EXIF says
    x: str = ""  # where the pictures differ, as shares of width and height
    y: str = ""

    def pairs(self) -> list[tuple[str, str]]:
        """All pairs of shots; of versions, each with the original."""
        if self.expectation in (expectations.NEVER, expectations.EITHER):
            return list(combinations(self.files, 2))
        return [(self.files[0], other) for other in self.files[1:]]


@dataclass(frozen=True, slots=True)
class Job:
    """A set to make."""

    recipe: Recipe
    size: str
    number: int  # within the category and size

    @property
    def folder(self) -> str:
        return f"{_slug(self.recipe.category)}/{_slug(self.size) or 'all'}-{self.number:03}"

    def make(self, studio: Studio, seed: int) -> Made:
        """The same set for the same seed, whatever else is made."""
        draw = np.random.default_rng((seed, zlib.crc32(self.folder.encode())))
        return self.recipe.make(studio, self.size, draw)


def jobs(recipes: Iterable[Recipe], count: int) -> list[Job]:
    """`count` sets of every category and size."""
    return [Job(recipe, size, number) for recipe in recipes for size in recipe.sizes for number in range(count)]


def make(wanted: list[Job], studio: Studio, seed: int, work: Path) -> Iterator[Set]:
    """Make the sets that are not there yet, and yield all; a run that was stopped goes on where it was."""
    truth, archive = work / "truth.csv", work / "archive"
    known = {one.folder: one for one in read_truth(truth)}
    archive.mkdir(parents=True, exist_ok=True)
    if not truth.exists():
        write_truth(truth, [])
    made = {}
    with truth.open("a", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        for job in wanted:
            if job.folder in known:
                one = known[job.folder]
            else:
                one = _write(job, job.make(studio, seed), archive)
                rows.writerow(_row(one))
                file.flush()
            made[job.folder] = one
            yield one
    write_truth(truth, list((known | made).values()))


def _write(job: Job, made: Made, archive: Path) -> Set:
    folder = archive / job.folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in made.files.items():
        (folder / name).write_bytes(content)
    x, y = (f"{value:.3f}" for value in made.place) if made.place else ("", "")
    category, size = job.recipe.category, job.size
    return Set(category, size, job.folder, tuple(made.files), made.expectation, made.told, x, y)


NAMES = tuple(field.name for field in fields(Set))


def _row(one: Set) -> list[str]:
    return ["|".join(value) if isinstance(value, tuple) else value for value in (getattr(one, name) for name in NAMES)]


def read_truth(path: Path) -> list[Set]:
    """The sets of an earlier run; a last line that was not finished is left out."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if len(row) == len(NAMES)]
    return [Set(*row[:3], tuple(row[3].split("|")), *row[4:]) for row in rows[1:]]


def write_truth(path: Path, sets: list[Set]) -> None:
    new = path.with_suffix(".new")
    with new.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(NAMES)
        rows.writerows(_row(one) for one in sorted(sets, key=lambda one: one.folder))
    os.replace(new, path)


def _slug(words: str) -> str:
    return re.sub(r"[^a-z0-9.+-]+", "-", words.lower().replace("/", "-of-")).strip("-")
