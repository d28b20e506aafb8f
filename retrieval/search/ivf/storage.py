"""Where an IVF index is kept: in the files `ivf.faiss` and `ivf.json` of a folder, or in memory alone.

FAISS is loaded only where there is an index to read or write.
"""

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from retrieval.durable import remove_leftovers
from retrieval.search.ivf.measurement import Measurement
from retrieval.search.ivf.settings import IvfSettings
from retrieval.search.targets import Targets

if TYPE_CHECKING:  # loads FAISS
    from retrieval.search.ivf.index import IvfIndex

IVF_NAME = "ivf.faiss"
Stamp = tuple[int, ...]  # changes when a file is replaced


class IvfStorage(Protocol):
    """Keeps one IVF index, or none."""

    def current(self, rows: int) -> "IvfIndex | None":
        """Return the index to search with, of at most the first `rows` rows; None where there is none."""
        ...

    def load(self, *, to_add: bool = False) -> "IvfIndex | None":
        """Return the index as it is kept; `to_add` for a caller that will change it."""
        ...

    def save(self, ivf: "IvfIndex") -> None:
        """Replace the index; its measurement gets the digests of what was written."""
        ...

    def clean(self) -> None:
        """Remove what a killed process left behind."""
        ...

    def remove(self) -> None:
        """Remove the index."""
        ...

    def targets(self) -> Targets:
        """Return what the index was last built for; the defaults where that is not known."""
        ...

    def size_bytes(self) -> int:
        """Return the bytes that the index takes on disk."""
        ...

    def file_problem(self, ivf: "IvfIndex") -> str:
        """Say what is wrong with the file that an index was loaded from, all of which is read; empty if nothing is."""
        ...


class IvfFile:
    """The IVF index in a folder, read when it is first needed, and again when it was replaced.

    Any number of threads may ask for it.
    """

    def __init__(self, folder: Path, dimension: int, settings: IvfSettings) -> None:
        self.path = folder / IVF_NAME
        self._sidecar = self.path.with_suffix(".json")  # replaced a moment after it
        self._dimension = dimension
        self._settings = settings
        self._lock = threading.Lock()
        self._opened: tuple[Stamp, IvfIndex] | None = None

    def current(self, rows: int) -> "IvfIndex | None":
        """Return the index on disk, open until the file is replaced; None if it is not one of the first `rows` rows.

        An index that knows more than `rows` rows was made before they were cut off, or after this reader asked the
        catalogue how many there are; in that case the one that it has open still serves.
        """
        with self._lock:
            stamp = _stamp(self.path) + _stamp(self._sidecar)
            if self._opened is None or self._opened[0] != stamp:
                ivf = self.load()
                if ivf is None:
                    self._opened = None
                elif self._opened is None or ivf.rows <= rows:
                    self._opened = (stamp, ivf)
            opened = self._opened
        return opened[1] if opened is not None and opened[1].rows <= rows else None

    def load(self, *, to_add: bool = False) -> "IvfIndex | None":
        """Read the file, whatever is open; None where there is none. `to_add` reads it into memory.

        Raises IndexFormatError for a damaged or foreign file. A measurement of other contents, as a crash between the
        two files leaves, counts as none.
        """
        if not self.path.exists():
            return None
        from retrieval.search.ivf import file, training
        from retrieval.search.ivf.index import IvfIndex

        found = Measurement.load(self._sidecar)  # before the index: it is replaced after it
        try:
            index, checked = file.read(
                self.path, self._dimension, mapped=not to_add, checksums=bool(found and found.checksums)
            )
        except FileNotFoundError:
            return None  # removed since
        lists = training.lists_of(index)
        contents = (index.ntotal, lists.nlist, lists.nprobe, checked.digest if checked else "")
        if found is not None and (found.size, found.lists, found.nprobe, found.checksums) != contents:
            found = None
        if found is None and checked is not None:
            checked.check_first(checked.size)  # its ids alone tell which rows it covers
        unchecked = None if checked is None or checked.done else checked
        ivf = IvfIndex(index, 0, 0, found, settings=self._settings, path=self.path, unchecked=unchecked)
        if found is not None:
            ivf.rows, ivf.trained_rows = found.rows, found.trained_rows
        else:
            ivf.rows = 1 + max((int(ids.max()) for _, ids in ivf.inverted.ids()), default=-1)
            ivf.trained_rows = ivf.size
        return ivf

    def save(self, ivf: "IvfIndex") -> None:
        """Replace `ivf.faiss`, then its measurement beside it. Raises OSError, with the file's name, on a full disk."""
        from retrieval.search.ivf import file

        written = file.write(ivf.faiss_index, self.path)
        if ivf.measurement is not None:
            ivf.measurement = replace(ivf.measurement, sha256=written.sha256, checksums=written.checksums)
            ivf.measurement.save(self._sidecar)

    def clean(self) -> None:
        """Remove what a process left that was killed while it replaced a file."""
        for path in (self.path, self._sidecar):
            remove_leftovers(path)

    def remove(self) -> None:
        """Remove both files."""
        for path in (self.path, self._sidecar):
            path.unlink(missing_ok=True)

    def targets(self) -> Targets:
        """Return what the index was last built for; the defaults where that is not known."""
        measured = Measurement.load(self._sidecar)
        return measured.targets if measured else Targets()

    def size_bytes(self) -> int:
        """Return the size of `ivf.faiss`."""
        return self.path.stat().st_size

    def file_problem(self, ivf: "IvfIndex") -> str:
        """Say whether the file is not the one that was written; empty if it is."""
        from retrieval.search.ivf import file

        written = ivf.measurement.sha256 if ivf.measurement else ""
        if written not in ("", file.hash_file(self.path)):
            return f"the bytes of {self.path} are not those that were written"
        return ""


class IvfInMemory:
    """An IVF index that is never written."""

    def __init__(self) -> None:
        self._ivf: IvfIndex | None = None
        self._targets = Targets()

    def current(self, rows: int) -> "IvfIndex | None":
        """Return the index, None if it is not one of the first `rows` rows."""
        return self._ivf if self._ivf is not None and self._ivf.rows <= rows else None

    def load(self, *, to_add: bool = False) -> "IvfIndex | None":
        """Return the index."""
        return self._ivf

    def save(self, ivf: "IvfIndex") -> None:
        """Keep another index from now on."""
        self._ivf = ivf
        self._targets = ivf.measurement.targets if ivf.measurement else self._targets

    def clean(self) -> None:
        """Do nothing: there are no files."""

    def remove(self) -> None:
        """Keep no index."""
        self._ivf = None

    def targets(self) -> Targets:
        """Return what the index was last built for."""
        return self._targets

    def size_bytes(self) -> int:
        """Return 0: nothing is on disk."""
        return 0

    def file_problem(self, ivf: "IvfIndex") -> str:
        """Find nothing wrong: there is no file."""
        return ""


def _stamp(path: Path) -> Stamp:
    """Return what tells two versions of a file apart; empty where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size
