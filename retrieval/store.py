"""One index on disk, opened: settings, catalogue, vectors and search together. What is done with them is elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from retrieval.catalogue.database import Database, Transactions
from retrieval.catalogue.ignored import IgnoredPairs
from retrieval.catalogue.matches import Matches
from retrieval.catalogue.photos import Photos
from retrieval.catalogue.reader import Catalogue
from retrieval.engines.openvino.calibrated import CalibratedNetwork
from retrieval.errors import IndexFormatError, IndexProblem, Remedy
from retrieval.lock import LOCK_NAME, OWNER_NAME, writing
from retrieval.manifest import MANIFEST_NAME, Manifest, Model, has_manifest
from retrieval.models.head import HEAD_NAME, Head
from retrieval.records import Rows
from retrieval.search.neighbours import Neighbours
from retrieval.search.selection import Selection
from retrieval.search.vectors import VectorFile

CATALOGUE_NAME = "catalogue.sqlite"
VECTORS_NAME = "vectors.f16"
# What a creation that was killed before its catalogue can have left.
UNFINISHED = (LOCK_NAME, OWNER_NAME)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of the catalogue, held for questions that belong together."""

    database: Transactions
    catalogue: Catalogue
    photos: Photos


class Store:
    """The files of one index. `manifest` is read again by each writer, under its lock."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self.database = Database(folder / CATALOGUE_NAME)
        self.catalogue = Catalogue(self.database)
        self.matches = Matches(self.database)
        self.ignored_pairs = IgnoredPairs(self.database)
        self.photos = Photos(self.database)
        self.vectors = VectorFile(folder / VECTORS_NAME, manifest.model.dimension)
        self.neighbours = Neighbours(folder, self.vectors)
        self._head: Head | None = None
        self._selected: tuple[int, Rows, Rows | None, Selection] | None = None  # the last

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
            database = Database(folder / CATALOGUE_NAME)
            database.migrate()
            if Catalogue(database).vectors():
                raise IndexFormatError(f"{folder} holds a catalogue but no {MANIFEST_NAME}", Remedy.RESTORE)
            database.close()
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
        if store.database.pending_migrations():
            with writing(folder):
                store.database.migrate()
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
        with self.database.snapshot() as held:
            yield Snapshot(held, Catalogue(held), Photos(held))

    def select(self, rows: int, dead: Rows, chosen: Rows | None = None) -> Selection:
        """Return what search may find among the first `rows` rows; made once until other rows are dead or chosen."""
        last = self._selected
        if last is None or last[0] != rows or last[1] is not dead or last[2] is not chosen:
            selection = self.neighbours.select(rows=rows, dead=dead, chosen=chosen)
            last = self._selected = (rows, dead, chosen, selection)
        return last[3]

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
        self.database.close()


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
