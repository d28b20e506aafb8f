"""The catalogue, opened: its nouns, each as a class of questions and changes. The one door of this package."""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path

from retrieval.catalogue.contents import Contents
from retrieval.catalogue.copies import Copies
from retrieval.catalogue.database import Database, Transactions
from retrieval.catalogue.failures import Failures
from retrieval.catalogue.files import Files
from retrieval.catalogue.ignored_pairs import IgnoredPairs
from retrieval.catalogue.integrity import Integrity
from retrieval.catalogue.matches import Matches
from retrieval.catalogue.photos import Photos
from retrieval.catalogue.previews import Previews
from retrieval.catalogue.run import IndexingRun
from retrieval.catalogue.sketches import Sketches


class CatalogueView:
    """What a catalogue knows of. Each call is one transaction, or part of one that is held."""

    def __init__(self, database: Transactions) -> None:
        self.contents = Contents(database)
        self.copies = Copies(database)
        self.failures = Failures(database)
        self.files = Files(database)
        self.ignored_pairs = IgnoredPairs(database)
        self.matches = Matches(database)
        self.photos = Photos(database)
        self.previews = Previews(database)
        self.sketches = Sketches(database)


class CatalogueSnapshot(CatalogueView):
    """One state of the catalogue, held for questions that belong together."""

    def __init__(self, database: Transactions) -> None:
        super().__init__(database)
        self._database = database

    @property
    def version(self) -> Hashable:
        """The version of this state: equal versions mean equal data, as long as the process lives."""
        with self._database.transaction() as connection:
            return self._database.dialect.version(connection)


class Catalogue(CatalogueView):
    """One catalogue on disk. Any number of threads may ask; readers never wait, one process writes at a time.

    Every call raises IndexFormatError for a file that is not a sound database, IndexLockedError while another process
    holds it for long, IndexProblem for a disk that is full, read-only or failing.
    """

    def __init__(self, path: Path, *, writable: bool | None = None) -> None:
        """`path` need not exist yet, see `migrate`. Without `writable`, it is written to if this process may."""
        self._database = Database(path, writable=writable)
        super().__init__(self._database)
        self.integrity = Integrity(self._database)

    @contextmanager
    def snapshot(self) -> Iterator[CatalogueSnapshot]:
        """Hold the catalogue as it is at the first question, for moments; writers go on meanwhile."""
        with self._database.held() as held:
            yield CatalogueSnapshot(held)

    def indexing_run(self) -> IndexingRun:
        """Return a run, to be entered as a context manager by whoever holds the writer's lock."""
        return IndexingRun(self._database)

    def migrate(self) -> int:
        """Create the schema or bring it up to date; return how many steps ran."""
        return self._database.migrate()

    def pending_migrations(self) -> int:
        """Return how many schema steps are missing; raise IndexFormatError for a newer or an empty catalogue."""
        return self._database.pending_migrations()

    def close(self) -> None:
        """Close all connections."""
        self._database.close()
