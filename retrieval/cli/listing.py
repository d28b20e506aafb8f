"""Lists of images that are read while they are worked through: from a file or from stdin, by lines or by NULs."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from retrieval.errors import QueryError

STDIN = "-"
CHUNK_BYTES = 2**16


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of paths. Blank entries are skipped; by lines, so is a carriage return before the line's end."""

    place: str  # a path, or STDIN
    nul: bool = False  # entries end in NUL instead of a line's end

    def check(self) -> None:
        """Raise QueryError for a list that cannot be read."""
        if self.place != STDIN:
            self._open().close()

    def count(self) -> int | None:
        """Count the entries; None where that would consume them."""
        return sum(1 for _ in self) if self.place != STDIN and Path(self.place).is_file() else None

    def __iter__(self) -> Iterator[str]:
        """Yield the paths as they are read, byte for byte."""
        if self.place == STDIN:
            yield from self._paths(sys.stdin.buffer)
        else:
            with self._open() as file:
                yield from self._paths(file)

    def _open(self) -> BinaryIO:
        try:
            return Path(self.place).open("rb")
        except OSError as error:
            what = f"{self.place} cannot be read ({error.strerror})"
            raise QueryError(f"{what}: name a list of images, or - for stdin") from error

    def _paths(self, file: BinaryIO) -> Iterator[str]:
        for entry in _nul_ended(file) if self.nul else (line.rstrip(b"\r\n") for line in file):
            if entry.strip():
                yield os.fsdecode(entry)


def _nul_ended(file: BinaryIO) -> Iterator[bytes]:
    rest = b""
    while chunk := file.read(CHUNK_BYTES):
        *entries, rest = (rest + chunk).split(b"\0")
        yield from entries
    yield rest
