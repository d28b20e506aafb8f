"""A run's listing of the archive, and what it tells before any file is read: unchanged, returned, gone, or to be read.

Set operations inside the database, so that ten million files need no memory here. The listing is a temporary table of
the writer's connection.
"""

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, exists, func, not_, select, text, update

from retrieval.archive.walk import Seen
from retrieval.catalogue.conditions import HAS_VECTOR, below, in_use
from retrieval.catalogue.dialect import Dialect
from retrieval.catalogue.roots import root_id
from retrieval.catalogue.tables import ContentTable, ListedTable, PhotoTable

_BY_PHOTO = "CREATE INDEX IF NOT EXISTS listed_photo ON listed (photo_id)"
_COLUMNS = ("root_id", "path", "size", "mtime_ns", "pending")


@dataclass(frozen=True, slots=True)
class ListedFolder:
    """What part of a root a run has listed."""

    root: str
    folder: str = ""  # relative; "" for the whole root
    unreadable: tuple[str, ...] = ()  # folders that could not be listed: nothing below them counts as gone


@dataclass(frozen=True, slots=True)
class Settled:
    """How many files the listing alone has settled, and how many remain."""

    unchanged: int
    returned: int
    failed: int  # unchanged files that failed before, and would again
    pending: int  # files to read


class Listing:
    """The temporary table on one connection. Everything happens inside the caller's transactions."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect

    def create(self) -> None:
        """Create the table."""
        assert isinstance(ListedTable.__table__, Table)
        ListedTable.__table__.create(self._connection)

    def add(self, root: int, photos: Iterable[Seen]) -> None:
        """Add files of a root (its id) that a walk has listed."""
        rows = [(root, os.fsencode(seen.relative), seen.size, seen.mtime_ns, True) for seen in photos]
        if rows:
            self._dialect.add_many(self._connection, ListedTable, _COLUMNS, rows)

    def has_any_in(self, root: int, folder: str) -> bool:
        """Tell whether a file was listed in a folder of a root (its id)."""
        listed = exists().where(ListedTable.root_id == root, *below(folder, ListedTable))
        return bool(self._connection.execute(select(listed)).scalar_one())

    def count_missing(self, root: int, folder: str) -> int:
        """Count the photos that are known in a folder of a root (its id), are not gone, and were not listed."""
        there = and_(ListedTable.root_id == PhotoTable.root_id, ListedTable.path == PhotoTable.path)
        known = select(func.count()).select_from(PhotoTable)
        known = known.where(PhotoTable.root_id == root, PhotoTable.state != "gone", *below(folder))
        found = known.join(ListedTable, there)
        return self._connection.execute(known).scalar_one() - self._connection.execute(found).scalar_one()

    def settle(self, folders: Iterable[ListedFolder], retry: Collection[str], gone_at: str) -> Settled:
        """Compare with the catalogue: mark the photos that are gone, restore those that have returned unchanged.

        `retry` names kinds of failures to read again; files that could not be read at all always are.
        """
        self._match(retry)
        returned = self._restore_returned()
        for folder in folders:
            self._mark_gone(folder, gone_at)
        self._hide_gone(gone_at)
        pending = select(func.count()).select_from(ListedTable).where(ListedTable.pending)
        return Settled(
            unchanged=self._count_settled(PhotoTable.state == "indexed") - returned,
            returned=returned,
            failed=self._count_settled(PhotoTable.state == "failed"),
            pending=self._connection.execute(pending).scalar_one(),
        )

    def pending(self, after: int, limit: int) -> Sequence[Row[int, int, str, int, int, int | None]]:
        """Return the next files to read, in the order they were listed: id, root, path, size, time, photo."""
        table = ListedTable
        query = select(table.id, table.root_id, table.path, table.size, table.mtime_ns, table.photo_id)
        query = query.where(table.pending, table.id > after).order_by(table.id).limit(limit)
        return self._connection.execute(query).all()

    def _match(self, retry: Collection[str]) -> None:
        """Find the photo known at each listed path, and decide which files have to be read."""
        listed, photo = ListedTable, PhotoTable
        same_path = and_(photo.root_id == listed.root_id, photo.path == listed.path)
        self._connection.execute(update(listed).values(photo_id=select(photo.id).where(same_path).scalar_subquery()))
        self._connection.execute(text(_BY_PHOTO))  # only now: an index is made faster than kept while rows change
        try_again = exists().where(ContentTable.id == photo.content_id, ContentTable.failure_kind.in_(retry))
        settled = exists().where(
            photo.id == listed.photo_id,
            photo.size == listed.size,
            photo.mtime_ns == listed.mtime_ns,
            photo.failure_kind.is_(None),
            not_(try_again),
        )
        self._connection.execute(update(listed).values(pending=not_(settled)))

    def _restore_returned(self) -> int:
        """Restore the photos that were gone and lie unchanged where they were; return how many are indexed."""
        back = exists().where(ListedTable.photo_id == PhotoTable.id, not_(ListedTable.pending))
        returning = and_(PhotoTable.state == "gone", back)
        contents = select(PhotoTable.content_id).where(returning)
        shown = update(ContentTable).where(ContentTable.id.in_(contents), HAS_VECTOR)
        self._connection.execute(shown.values(live=True))
        has_vector = exists().where(ContentTable.id == PhotoTable.content_id, HAS_VECTOR)
        restored = update(PhotoTable).where(returning)
        self._connection.execute(restored.where(not_(has_vector)).values(state="failed", gone_at=None))
        return self._connection.execute(restored.values(state="indexed", gone_at=None)).rowcount

    def _mark_gone(self, folder: ListedFolder, gone_at: str) -> None:
        """Mark the photos that should have been listed and were not."""
        listed = exists().where(ListedTable.photo_id == PhotoTable.id)
        root = root_id(self._connection, folder.root)
        missing = [PhotoTable.root_id == root, PhotoTable.state != "gone", not_(listed), *below(folder.folder)]
        missing += [not_(and_(*below(unreadable))) for unreadable in folder.unreadable]
        self._connection.execute(update(PhotoTable).where(*missing).values(state="gone", gone_at=gone_at))

    def _hide_gone(self, gone_at: str) -> None:
        """Hide the vectors that no present photo has any longer."""
        gone = select(PhotoTable.content_id).where(PhotoTable.state == "gone", PhotoTable.gone_at == gone_at)
        hidden = update(ContentTable).where(ContentTable.id.in_(gone), not_(in_use()))
        self._connection.execute(hidden.values(live=False))

    def _count_settled(self, condition: ColumnElement[bool]) -> int:
        query = (
            select(func.count())
            .select_from(ListedTable)
            .join(PhotoTable, PhotoTable.id == ListedTable.photo_id)
            .where(not_(ListedTable.pending), condition)
        )
        return self._connection.execute(query).scalar_one()
