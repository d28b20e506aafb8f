"""Follows files that a dedupe run moves, removes, links or puts back. Each call is one transaction.

Only what the catalogue knows is changed: sidecars and files that were never indexed pass without a trace. Every call
may be repeated, so that a run that was killed between a file and its row needs no more than to do it again.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from retrieval.catalogue.database import Database
from retrieval.catalogue.reader import in_use
from retrieval.catalogue.tables import ContentTable, PhotoTable, RootTable


@dataclass(frozen=True, slots=True)
class Place:
    """A path as the catalogue spells it."""

    root: str  # name
    relative: str  # "/" between the parts


def knows(database: Database, place: Place) -> bool:
    """Tell whether a photo is, or once was, known at a path."""
    with database.transaction() as connection:
        return _photo(connection, place) is not None


def went(database: Database, place: Place) -> None:
    """Take note that a photo has left the archive: it counts as gone, and search masks its vector."""
    with database.transaction() as connection:
        photo = _photo(connection, place)
        if photo is not None and photo.state != "gone":
            values = {"state": "gone", "gone_at": datetime.now(UTC).isoformat()}
            connection.execute(update(PhotoTable).where(PhotoTable.id == photo.id).values(values))
            _refresh(connection, [photo.content_id])


def moved(database: Database, source: Place, target: Place) -> None:
    """Let a photo keep its row under another path; what was once known at the target is forgotten."""
    with database.transaction() as connection:
        photo = _photo(connection, source)
        if photo is None or photo.state == "gone":  # followed already
            return
        old = _photo(connection, target)
        if old is not None:
            connection.execute(delete(PhotoTable).where(PhotoTable.id == old.id))
        values = {"root_id": _root(connection, target.root), "path": target.relative}
        connection.execute(update(PhotoTable).where(PhotoTable.id == photo.id).values(values))
        _refresh(connection, [photo.content_id, old.content_id if old else None])


def touched(database: Database, place: Place, size: int, mtime_ns: int) -> None:
    """Take note of a photo's new time: its bytes are the same."""
    with database.transaction() as connection:
        photo = _photo(connection, place)
        if photo is not None and photo.state != "gone":
            values = {"size": size, "mtime_ns": mtime_ns}
            connection.execute(update(PhotoTable).where(PhotoTable.id == photo.id).values(values))


def came_back(database: Database, place: Place, size: int, mtime_ns: int, sha256: bytes) -> None:
    """Take a photo up again where it was; bytes that the catalogue does not know are left to the next indexing run."""
    with database.transaction() as connection:
        query = select(ContentTable.id, ContentTable.vector_row).where(ContentTable.hash == sha256)
        content = connection.execute(query).one_or_none()
        if content is None:
            return
        photo = _photo(connection, place)
        values: dict[str, Any] = {
            "root_id": _root(connection, place.root),
            "path": place.relative,
            "size": size,
            "mtime_ns": mtime_ns,
            "content_id": content.id,
            "state": "failed" if content.vector_row is None else "indexed",
            "failure_kind": None,
            "failure": None,
            "gone_at": None,
        }
        if photo is None:  # an indexing run has found its copy elsewhere, and took the row for that
            connection.execute(insert(PhotoTable).values(values))
        else:
            connection.execute(update(PhotoTable).where(PhotoTable.id == photo.id).values(values))
        _refresh(connection, [content.id, photo.content_id if photo else None])


def _photo(connection: Connection, place: Place) -> Row[int, str, int | None] | None:
    query = (
        select(PhotoTable.id, PhotoTable.state, PhotoTable.content_id)
        .join(RootTable, RootTable.id == PhotoTable.root_id)
        .where(RootTable.name == place.root, PhotoTable.path == place.relative)
    )
    return connection.execute(query).one_or_none()


def _root(connection: Connection, name: str) -> int:
    found = connection.execute(select(RootTable.id).where(RootTable.name == name)).scalar_one_or_none()
    if found is None:
        return connection.execute(insert(RootTable).values(name=name).returning(RootTable.id)).scalar_one()
    return found


def _refresh(connection: Connection, contents: Iterable[int | None]) -> None:
    """Show the vectors that a present photo has, mask the others."""
    ids = [content for content in contents if content is not None]
    chosen = update(ContentTable).where(ContentTable.id.in_(ids), ContentTable.vector_row.is_not(None))
    connection.execute(chosen.values(live=in_use()))
