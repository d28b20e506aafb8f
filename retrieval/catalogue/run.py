"""One indexing run's view of the catalogue: list, settle, read what is pending, record.

Every method is one transaction. The caller makes vectors durable before it commits the rows that name them.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from types import TracebackType

from sqlalchemy import Connection, Table, func, insert, select

from retrieval.archive.walk import Seen
from retrieval.catalogue import record, survey
from retrieval.catalogue.database import Database
from retrieval.catalogue.reader import count_vectors
from retrieval.catalogue.survey import Scope, Settled
from retrieval.catalogue.tables import PhotoTable, RootTable, SeenTable
from retrieval.records import Outcome, Source

SEEN_BATCH = 5_000  # listed files per INSERT
PENDING_PAGE = 1_000  # work items fetched at once


class Run:
    """The writer's connection, with the temporary listing that lives on it; use it as a context manager."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._gone_at = datetime.now(UTC).isoformat()  # also tells which photos this run declared gone
        self._roots: dict[str, int] = {}

    def __enter__(self) -> "Run":
        with self._database.errors():
            self._connection = self._database.connect()
        with self._transaction() as connection:
            assert isinstance(SeenTable.__table__, Table)
            SeenTable.__table__.create(connection)
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        # The pool would hand this connection out again with the listing still on it.
        self._connection.invalidate()
        self._connection.close()

    def see(self, root: str, photos: Iterable[Seen]) -> Iterator[int]:
        """Take down what a walk lists; yields how many after each batch."""
        listed, walk = 0, iter(photos)
        while batch := list(islice(walk, SEEN_BATCH)):
            with self._transaction() as connection:
                survey.take_down(connection, self._root_id(root), batch)
            listed += len(batch)
            yield listed

    def settle(self, scopes: Iterable[Scope], retry: Collection[str] = ()) -> Settled:
        """Compare the listing with the catalogue: mark what is gone, welcome back what returned unchanged.

        `retry` names kinds of failures to read again; files that could not be read at all always are.
        """
        with self._transaction() as connection:
            survey.match(connection, retry)
            returned = survey.welcome_back(connection)
            for scope in scopes:
                survey.mark_gone(connection, self._root_id(scope.root), scope, self._gone_at)
            survey.hide_gone(connection, self._gone_at)
            return survey.tally(connection, returned)

    def pending(self) -> Iterator[Source]:
        """Yield the files to read, in the order they were listed."""
        names = {root_id: name for name, root_id in self._roots.items()}
        last = 0
        while True:
            query = select(SeenTable.__table__).where(SeenTable.pending, SeenTable.id > last).order_by(SeenTable.id)
            with self._transaction() as connection:
                page = connection.execute(query.limit(PENDING_PAGE)).all()
            for row in page:
                yield Source(names[row.root_id], row.path, row.size, row.mtime_ns, row.photo_id)
            if len(page) < PENDING_PAGE:
                return
            last = page[-1].id

    def commit(self, outcomes: Sequence[Outcome], first_row: int) -> Counter[str]:
        """Record a batch that was read; return how each file fared, by the names of Report's fields."""
        with self._transaction() as connection:
            for outcome in outcomes:
                self._root_id(outcome.source.root)
            return record.store(connection, outcomes, self._roots, first_row)

    def vectors(self) -> int:
        """Return how many rows of vectors.f16 are committed."""
        with self._transaction() as connection:
            return count_vectors(connection)

    def gone(self) -> int:
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
            query = select(RootTable.id).where(RootTable.name == name)
            found = self._connection.execute(query).scalar_one_or_none()
            create = insert(RootTable).values(name=name).returning(RootTable.id)
            self._roots[name] = self._connection.execute(create).scalar_one() if found is None else found
        return self._roots[name]
