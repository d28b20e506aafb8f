"""`ivf.faiss` as one process has it open: read when it is first needed, and again when it was replaced."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.errors import IndexFormatError

if TYPE_CHECKING:  # loads FAISS
    from retrieval.search.ivf import IvfIndex

Stamp = tuple[int, ...]  # what changes when a file is replaced


class OpenedIvf:
    """The IVF index at `path` over vectors of `dimension` numbers; any number of threads may ask for it."""

    def __init__(self, path: Path, dimension: int) -> None:
        self._path = path
        self._measurement = path.with_suffix(".json")  # replaced a moment after it
        self._dimension = dimension
        self._lock = threading.Lock()
        self._kept: tuple[Stamp, IvfIndex] | None = None

    def current(self, rows: int) -> "IvfIndex | None":
        """The IVF on disk, kept open until the file is replaced; None if it is not one of the first `rows` rows.

        An IVF that knows more than `rows` rows was made before they were cut off, or after this reader
        asked the catalogue how many there are; in that case the one that it has open still serves.
        """
        with self._lock:
            stamp = _stamp(self._path) + _stamp(self._measurement)
            if self._kept is None or self._kept[0] != stamp:
                ivf = self.load()
                if ivf is None:
                    self._kept = None
                elif self._kept is None or ivf.rows <= rows:
                    self._kept = (stamp, ivf)
            kept = self._kept
        return kept[1] if kept is not None and kept[1].rows <= rows else None

    def usable(self, rows: int) -> "IvfIndex | None":
        """The same, and None for a broken file: it is derived, and the writer makes it anew."""
        try:
            return self.current(rows)
        except IndexFormatError:
            return None

    def load(self, *, to_add: bool = False) -> "IvfIndex | None":
        """Read the file, whatever is open; None where there is none. `to_add` is for whoever will change it."""
        if not self._path.exists():
            return None
        from retrieval.search.ivf import IvfIndex

        try:
            return IvfIndex.load(self._path, self._dimension, to_add=to_add)
        except FileNotFoundError:
            return None  # removed since


def _stamp(path: Path) -> Stamp:
    """Of a file; empty where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size
