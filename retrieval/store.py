"""One index on disk, opened: settings, catalogue, vectors and search together. What is done with them is elsewhere."""

from collections.abc import Collection, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import numpy as np

from retrieval.catalogue.catalogue import Catalogue, CatalogueSnapshot
from retrieval.catalogue.criteria import Criteria
from retrieval.engines.openvino.calibrated import CalibratedNetwork
from retrieval.errors import IndexFormatError, IndexProblem, Remedy
from retrieval.lock import LOCK_NAME, OWNER_NAME, writing
from retrieval.manifest import MANIFEST_NAME, Manifest, Model, has_manifest
from retrieval.models.head import HEAD_NAME, Head
from retrieval.records import Rows
from retrieval.search.registry import search_in_folder
from retrieval.search.selection import Selection
from retrieval.search.vectors import VectorFile

CATALOGUE_NAME = "catalogue.sqlite"
VECTORS_NAME = "vectors.f16"
EVERYTHING = Criteria()
KEPT_SELECTIONS = 4  # for as many filters, or threads, that take turns
NO_ROWS: Rows = np.empty(0, dtype=np.int64)
# What a creation that was killed before its catalogue can have left.
UNFINISHED = (LOCK_NAME, OWNER_NAME)


class Selections:
    """What search may find, by criteria and by the version of the catalogue: each made once, the last ones kept."""

    def __init__(self) -> None:
        self._known: dict[tuple[Hashable, Criteria], Selection] = {}
        self._lock = Lock()

    def of(self, catalogue: CatalogueSnapshot, criteria: Criteria) -> Selection:
        """Return the same selection for the same criteria as long as the catalogue is the same."""
        key = catalogue.version, criteria
        with self._lock:
            selection = self._known.pop(key, None)
        if selection is None:
            selection = _select(catalogue, criteria)
        with self._lock:
            self._known[key] = selection  # the last one used stands last
            while len(self._known) > KEPT_SELECTIONS:
                del self._known[next(iter(self._known))]
        return selection


def _select(catalogue: CatalogueSnapshot, criteria: Criteria) -> Selection:
    rows = catalogue.contents.vectors()
    if criteria == EVERYTHING:
        return Selection.of(rows, catalogue.contents.dead_rows())
    return Selection.of(rows, NO_ROWS, catalogue.photos.rows(criteria))  # no dead row is among these


class Snapshot:
    """One state of an index, held for questions that belong together."""

    def __init__(self, catalogue: CatalogueSnapshot, selections: Selections) -> None:
        self.catalogue = catalogue
        self._selections = selections

    def selection(self, criteria: Criteria = EVERYTHING, hidden_species: Collection[str] = ()) -> Selection:
        """Return what search may find: the photos that satisfy the criteria, without some species.

        Without hidden species it is the same object as long as the catalogue is the same, so that what search makes of
        it need not be made again.
        """
        selection = self._selections.of(self.catalogue, criteria)
        if not hidden_species:
            return selection
        chosen = np.ones(selection.rows, dtype=bool) if selection.mask is None else selection.mask.copy()
        chosen[self.catalogue.photos.rows_of_species(hidden_species)] = False
        return Selection.of(selection.rows, NO_ROWS, np.flatnonzero(chosen))


class Store:
    """The files of one index. `manifest` is read again by each writer, under its lock."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self.catalogue = Catalogue(folder / CATALOGUE_NAME)
        self.vectors = VectorFile(folder / VECTORS_NAME, manifest.model.dimension)
        self.search = search_in_folder(folder, self.vectors)
        self._head: Head | None = None
        self._selections = Selections()

    @classmethod
    def create(cls, folder: Path, model: Model, head: Head) -> "Store":
        """Make an empty index; index.json comes last, so that a folder without one was never finished.

        Raises IndexProblem where there is an index already or the folder cannot be made, IndexFormatError where it
        holds other things.
        """
        if has_manifest(folder):
            raise IndexProblem(f"there is an index in {folder} already", Remedy.OTHER_INDEX_FOLDER)
        try:
            _refuse_foreign(folder)
            folder.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:  # ValueError: no file system has such a name
            why = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise IndexProblem(f"no index can be made in {folder} ({why})", Remedy.OTHER_INDEX_FOLDER) from error
        with writing(folder):
            catalogue = Catalogue(folder / CATALOGUE_NAME)
            catalogue.migrate()
            if catalogue.contents.vectors():
                raise IndexFormatError(f"{folder} holds a catalogue but no {MANIFEST_NAME}", Remedy.RESTORE)
            catalogue.close()
            (folder / VECTORS_NAME).touch()
            head.save(folder / HEAD_NAME, weights_sha256=model.sha256)
            Manifest(model).write(folder)
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> "Store":
        """Open an index; raise IndexNotFoundError or IndexFormatError, saying what is missing or wrong."""
        manifest = Manifest.read(folder)
        for name in (CATALOGUE_NAME, VECTORS_NAME):
            if not (folder / name).is_file():
                raise IndexFormatError(f"{folder / name} is missing", Remedy.RESTORE_OR_NEW_INDEX)
        store = cls(folder, manifest)
        if store.catalogue.pending_migrations():
            with writing(folder):
                store.catalogue.migrate()
        return store

    @property
    def head(self) -> Head | None:
        """The classifier kept with the index: predictions for stored vectors without the network; None if lost."""
        path = self.folder / HEAD_NAME
        if self._head is None and path.is_file():
            self._head = Head.load(path)
        return self._head

    def keep_head(self, head: Head) -> None:
        """Write the classifier again after it was lost."""
        head.save(self.folder / HEAD_NAME, weights_sha256=self.manifest.model.sha256)
        self._head = head

    @property
    def calibrated_network(self) -> CalibratedNetwork | None:
        """The network that was calibrated for this index; None where it needs none, or has none yet."""
        calibration = self.manifest.calibration
        return CalibratedNetwork(self.folder, calibration.sha256) if calibration else None

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Hold the catalogue as it is at the first question, for moments; writers go on meanwhile."""
        with self.catalogue.snapshot() as held:
            yield Snapshot(held, self._selections)

    def reload(self) -> None:
        """Read index.json again: another writer may have added a root."""
        self.manifest = Manifest.read(self.folder)

    def save(self, manifest: Manifest) -> None:
        """Replace index.json; the caller holds the writer's lock."""
        manifest.write(self.folder)
        self.manifest = manifest

    def size_bytes(self) -> dict[str, int]:
        """Return the size of each file of the index."""
        return {path.name: path.stat().st_size for path in sorted(self.folder.iterdir()) if path.is_file()}

    def close(self) -> None:
        """Close the database; mapped files close with their last reader."""
        self.catalogue.close()


def _refuse_foreign(folder: Path) -> None:
    """An index must not be scattered among someone's photos."""
    if folder.is_file():
        raise IndexFormatError(f"{folder} is a file", Remedy.OTHER_INDEX_FOLDER)
    if not folder.is_dir() or (folder / CATALOGUE_NAME).exists():
        return
    foreign = [path.name for path in folder.iterdir() if path.name not in UNFINISHED]
    if foreign:
        raise IndexFormatError(
            f"{folder} is not an index and not empty (it holds {foreign[0]!r})", Remedy.OTHER_INDEX_FOLDER
        )
