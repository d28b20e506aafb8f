"""The append-only file of vectors; which of its rows are valid is for the catalogue to say.

`vectors.f16` is n x d little-endian half-precision numbers, row after row, without a header. Whoever writes
appends first and commits the rows in the catalogue afterwards, so whatever lies behind the last committed
row is the leftover of a killed run: never an error, never read, overwritten by the next append.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.durable import naming, sync_folder
from retrieval.errors import IndexFormatError, Remedy
from retrieval.records import Vectors

HALF = np.dtype("<f2")  # the file's element, whatever the byte order of the machine

HalfVectors = NDArray[np.float16]  # (n, d), unit length up to half precision


class VectorSource(Protocol):
    """Rows of vectors that can be searched."""

    @property
    def dimension(self) -> int:
        """Numbers a row."""
        ...

    def count(self) -> int:
        """Return how many rows there are."""
        ...

    def read(self, rows: int) -> HalfVectors:
        """Return the first `rows` rows, (rows, d); raise IndexFormatError if there are fewer."""
        ...


@dataclass(frozen=True, slots=True)
class VectorArray:
    """Vectors in memory, (n, d), as a source to search."""

    vectors: HalfVectors

    @property
    def dimension(self) -> int:
        """Numbers a row."""
        return int(self.vectors.shape[1])

    def count(self) -> int:
        """Return n."""
        return len(self.vectors)

    def read(self, rows: int) -> HalfVectors:
        """Return the first `rows` rows, (rows, d); raise IndexFormatError if there are fewer."""
        if rows > len(self.vectors):
            raise IndexFormatError(f"there are {len(self.vectors)} vectors, not {rows}")
        return self.vectors[:rows]


@dataclass(frozen=True, slots=True)
class VectorFile:
    """The file at `path`, `dimension` numbers a row. One process appends; any number read meanwhile."""

    path: Path
    dimension: int

    def count(self) -> int:
        """Return the number of whole rows in the file, committed or not; 0 where there is no file."""
        return self._size() // self._row_bytes

    def has_partial_row(self) -> bool:
        """Tell whether the file ends inside a row: the last write of a killed run."""
        return self._size() % self._row_bytes != 0

    def append(self, vectors: Vectors, at_row: int) -> None:
        """Write (m, d) finite vectors as rows `at_row`, `at_row + 1`, ...; durable on return.

        What lies behind row `at_row` is overwritten. If writing fails the file is cut back to `at_row` rows.
        Raises IndexFormatError if the file has fewer than `at_row` rows, OSError if the disk is full.
        """
        codes = self._encode(vectors)
        self._require(at_row)
        with self._opened() as file:
            start = at_row * self._row_bytes
            _cut(file, start)
            file.seek(start)
            try:
                _write(file, codes.reshape(-1).view(np.uint8).data)
                os.fsync(file.fileno())
            except BaseException:
                _cut(file, start)
                raise

    def truncate(self, rows: int) -> None:
        """Cut the file to its first `rows` rows. Raises IndexFormatError if it has fewer."""
        self._require(rows)
        if self._size() == rows * self._row_bytes:
            return
        with self._opened() as file:
            _cut(file, rows * self._row_bytes)
            os.fsync(file.fileno())

    def read(self, rows: int) -> HalfVectors:
        """Return the first `rows` rows, (rows, d), read-only and mapped: memory is used only for what is touched.

        The map stays valid while a writer appends. Raises IndexFormatError if the file has fewer rows.
        """
        self._require(rows)
        if rows == 0:
            return np.empty((0, self.dimension), dtype=HALF)  # no file can be mapped with no bytes
        return np.memmap(self.path, dtype=HALF, mode="r", shape=(rows, self.dimension))

    @property
    def _row_bytes(self) -> int:
        return self.dimension * HALF.itemsize

    def _size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def _encode(self, vectors: Vectors) -> HalfVectors:
        if vectors.ndim != 2 or vectors.shape[1] != self.dimension:
            raise ValueError(f"expected vectors of shape (m, {self.dimension}), got {vectors.shape}")
        codes = np.ascontiguousarray(vectors, dtype=HALF)
        if not np.isfinite(codes).all():
            raise ValueError("vectors must be finite numbers in half precision")
        return codes

    def _require(self, rows: int) -> None:
        held = self.count()
        if held < rows:
            raise IndexFormatError(
                f"{self.path} holds {held} of the {rows} vectors that the catalogue knows", Remedy.REPAIR
            )

    @contextmanager
    def _opened(self) -> Iterator[FileIO]:
        with naming(self.path):
            try:
                file = FileIO(self.path, "r+")
            except FileNotFoundError:
                file = FileIO(self.path, "x")
                sync_folder(self.path.parent)
            with file:
                yield file


def _write(file: FileIO, data: memoryview) -> None:
    """Write all of `data`: a raw write may stop early, and gives the reason only when called again."""
    while data:
        data = data[file.write(data) :]


def _cut(file: FileIO, size: int) -> None:
    try:
        file.truncate(size)
    except OSError:
        # Windows refuses to cut a file that any process has mapped. The leftover rows may stay:
        # nobody reads behind the committed rows, and the next append overwrites them.
        if os.name != "nt":
            raise
