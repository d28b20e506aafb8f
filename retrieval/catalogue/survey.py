"""What a listing of the archive tells before any file is read: unchanged, returned, gone, or to be read.

Set operations inside the database, so that ten million files need no memory here. All inside the caller's transaction.
"""

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, exists, func, not_, select, update

from retrieval.archive.walk import Seen
from retrieval.catalogue.reader import below, in_use
from retrieval.catalogue.tables import ContentTable, PhotoTable, SeenTable

_TAKE_DOWN = "INSERT INTO seen (root_id, path, size, mtime_ns, pending) VALUES (?, ?, ?, ?, ?)"
_BY_PHOTO = "CREATE INDEX IF NOT EXISTS temp.seen_photo ON seen (photo_id)"


@dataclass(frozen=True, slots=True)
class Scope:
    """What part of a root a run has listed."""

    root: str
    folder: str = ""  # relative; "" for the whole root
    unlisted: tuple[str, ...] = ()  # folders that could not be read: nothing below them counts as gone


@dataclass(frozen=True, slots=True)
class Settled:
    """What the listing alone tells."""

    unchanged: int
    returned: int
    failed: int  # unchanged files that failed before, and would again
    pending: int  # files to read


def take_down(connection: Connection, root_id: int, photos: Iterable[Seen]) -> None:
    """Add listed files to the run's temporary table."""
    rows = [(root_id, os.fsencode(seen.relative), seen.size, seen.mtime_ns, True) for seen in photos]
    if rows:  # by the driver alone: a million files pass here, and what SQLAlchemy adds takes as long again
        connection.exec_driver_sql(_TAKE_DOWN, rows)


def match(connection: Connection, retry: Collection[str]) -> None:
    """Find the photo known at each listed path, and decide which files have to be read.

    `retry` names kinds of failures to try again; files that could not be read at all are tried every time.
    """
    same_path = and_(PhotoTable.root_id == SeenTable.root_id, PhotoTable.path == SeenTable.path)
    connection.execute(update(SeenTable).values(photo_id=select(PhotoTable.id).where(same_path).scalar_subquery()))
    connection.exec_driver_sql(_BY_PHOTO)  # only now: an index is made faster than kept while rows change
    try_again = exists().where(ContentTable.id == PhotoTable.content_id, ContentTable.failure_kind.in_(retry))
    settled = exists().where(
        PhotoTable.id == SeenTable.photo_id,
        PhotoTable.size == SeenTable.size,
        PhotoTable.mtime_ns == SeenTable.mtime_ns,
        PhotoTable.failure_kind.is_(None),
        not_(try_again),
    )
    connection.execute(update(SeenTable).values(pending=not_(settled)))


def welcome_back(connection: Connection) -> int:
    """Take up again the photos that were gone and lie unchanged where they were; return how many are indexed."""
    back = exists().where(SeenTable.photo_id == PhotoTable.id, not_(SeenTable.pending))
    returning = and_(PhotoTable.state == "gone", back)
    embedded = ContentTable.vector_row.is_not(None)
    contents = select(PhotoTable.content_id).where(returning)
    connection.execute(update(ContentTable).where(ContentTable.id.in_(contents), embedded).values(live=True))
    has_vector = exists().where(ContentTable.id == PhotoTable.content_id, embedded)
    revive = update(PhotoTable).where(returning)
    connection.execute(revive.where(not_(has_vector)).values(state="failed", gone_at=None))
    return connection.execute(revive.values(state="indexed", gone_at=None)).rowcount


def mark_gone(connection: Connection, root_id: int, scope: Scope, gone_at: str) -> None:
    """Mark the photos that should have been listed and were not."""
    listed = exists().where(SeenTable.photo_id == PhotoTable.id)
    missing = [PhotoTable.root_id == root_id, PhotoTable.state != "gone", not_(listed), *below(scope.folder)]
    missing += [not_(and_(*below(folder))) for folder in scope.unlisted]
    connection.execute(update(PhotoTable).where(*missing).values(state="gone", gone_at=gone_at))


def hide_gone(connection: Connection, gone_at: str) -> None:
    """Mask the vectors that no present photo has any longer."""
    gone = select(PhotoTable.content_id).where(PhotoTable.state == "gone", PhotoTable.gone_at == gone_at)
    connection.execute(update(ContentTable).where(ContentTable.id.in_(gone), not_(in_use())).values(live=False))


def tally(connection: Connection, returned: int) -> Settled:
    """Count what the listing alone has told."""
    pending = select(func.count()).select_from(SeenTable).where(SeenTable.pending)
    return Settled(
        unchanged=_settled(connection, PhotoTable.state == "indexed") - returned,
        returned=returned,
        failed=_settled(connection, PhotoTable.state == "failed"),
        pending=connection.execute(pending).scalar_one(),
    )


def _settled(connection: Connection, condition: ColumnElement[bool]) -> int:
    query = (
        select(func.count())
        .select_from(SeenTable)
        .join(PhotoTable, PhotoTable.id == SeenTable.photo_id)
        .where(not_(SeenTable.pending), condition)
    )
    return connection.execute(query).scalar_one()
