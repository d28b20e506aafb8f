"""One indexing run's view of the catalogue: list, settle, read what is pending, record.

Every method is one transaction. The caller makes vectors durable before it records the rows that name them.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from types import TracebackType

from sqlalchemy import Connection, func, select

from retrieval.archive.walk import Seen
from retrieval.catalogue.contents import count_vectors
from retrieval.catalogue.criteria import Folder
from retrieval.catalogue.database import Database
from retrieval.catalogue.listing import ListedFolder, Listing, Settled
from retrieval.catalogue.record import BatchWriter
from retrieval.catalogue.roots import root_id
from retrieval.catalogue.tables import PhotoTable
from retrieval.records import Outcome, Source

LISTED_AT_ONCE = 5_000  # files in one transaction
PENDING_AT_ONCE = 1_000  # files fetched at once


class IndexingRun:
    """The writer's connection, with the temporary listing that lives on it; use it as a context manager."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._gone_at = datetime.now(UTC).isoformat()  # also tells which photos this run declared gone
        self._roots: dict[str, int] = {}

    def __enter__(self) -> "IndexingRun":
        with self._database.errors():
            self._connection = self._database.connect()
        self._listing = Listing(self._connection, self._database.dialect)
        with self._transaction():
            self._listing.create()
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        # The pool would hand this connection out again with the listing still on it.
        self._connection.invalidate()
        self._connection.close()

    def add_listed(self, root: str, photos: Iterable[Seen]) -> Iterator[int]:
        """Add what a walk over a root lists; yields how many there are after each batch."""
        listed, walk = 0, iter(photos)
        while batch := list(islice(walk, LISTED_AT_ONCE)):
            with self._transaction():
                self._listing.add(self._root_id(root), batch)
            listed += len(batch)
            yield listed

    def has_listed(self, folder: Folder) -> bool:
        """Tell whether a file was listed in a folder."""
        with self._transaction():
            return self._listing.has_any_in(self._root_id(folder.root), folder.relative)

    def count_missing(self, folder: Folder) -> int:
        """Count the photos that are known in a folder, are not gone, and were not listed."""
        with self._transaction():
            return self._listing.count_missing(self._root_id(folder.root), folder.relative)

    def settle(self, folders: Iterable[ListedFolder], retry: Collection[str] = ()) -> Settled:
        """Compare the listing with the catalogue: mark what is gone, restore what has returned unchanged.

        `retry` names kinds of failures to read again; files that could not be read at all always are.
        """
        with self._transaction():
            return self._listing.settle(folders, retry, self._gone_at)

    def pending(self) -> Iterator[Source]:
        """Yield the files to read, in the order they were listed."""
        names = {number: name for name, number in self._roots.items()}
        last = 0
        while True:
            with self._transaction():
                page = self._listing.pending(last, PENDING_AT_ONCE)
            for row in page:
                yield Source(names[row.root_id], row.path, row.size, row.mtime_ns, row.photo_id)
            if len(page) < PENDING_AT_ONCE:
                return
            last = page[-1].id

    def record(self, outcomes: Sequence[Outcome], first_row: int) -> Counter[str]:
        """Record a batch that was read; return how each file fared, by the names of Report's fields.

        Embeddings take vector rows from `first_row` on, in order.
        """
        with self._transaction() as connection:
            for outcome in outcomes:
                self._root_id(outcome.source.root)
            return BatchWriter(connection, self._database.dialect, self._roots).write(outcomes, first_row)

    def vectors(self) -> int:
        """Return how many rows of vectors.f16 are committed."""
        with self._transaction() as connection:
            return count_vectors(connection)

    def count_gone(self) -> int:
        """Count the photos that this run declared gone and did not find elsewhere."""
        query = select(func.count()).where(PhotoTable.state == "gone", PhotoTable.gone_at == self._gone_at)
        with self._transaction() as connection:
            return connection.execute(query).scalar_one()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._database.errors(), self._connection.begin():
            yield self._connection

    def _root_id(self, name: str) -> int:
        if name not in self._roots:
            self._roots[name] = root_id(self._connection, name)
        return self._roots[name]
