"""Files of the archive by where they lie: what dedupe moves, removes, links and puts back, and what `verify` reads.

A change is one transaction. Only what the catalogue knows is changed: sidecars and files that were never indexed pass
without a trace. Every change may be repeated, so that a run that was killed between a file and its row only has to do
it again.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, delete, insert, select, update

from retrieval.catalogue.conditions import HAS_VECTOR, in_use
from retrieval.catalogue.database import Transactions
from retrieval.catalogue.roots import root_id
from retrieval.catalogue.tables import ContentTable, PhotoTable, RootTable


class Location(NamedTuple):
    """Where a file lies, as the catalogue spells it."""

    root: str  # name
    relative: str  # to that root, "/" between the parts


class HashedFile(NamedTuple):
    """An indexed file, with what its bytes were when it was indexed."""

    root: str
    relative: str
    size: int  # bytes
    mtime_ns: int
    hash: bytes  # SHA-256


class Files:
    """Files by location. Changes need the writer's lock."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def knows(self, location: Location) -> bool:
        """Tell whether a photo lies there, or did once."""
        with self._database.transaction() as connection:
            return _photo(connection, location) is not None

    def hashed(self) -> Iterator[HashedFile]:
        """Yield the indexed files, by path."""
        query = (
            select(RootTable.name, PhotoTable.path, PhotoTable.size, PhotoTable.mtime_ns, ContentTable.hash)
            .join_from(PhotoTable, RootTable, RootTable.id == PhotoTable.root_id)
            .join(ContentTable, ContentTable.id == PhotoTable.content_id)
            .where(PhotoTable.state == "indexed")
            .order_by(RootTable.name, PhotoTable.path)
        )
        with self._database.transaction() as connection:
            for row in connection.execute(query):
                yield HashedFile(*row)

    def mark_gone(self, location: Location) -> None:
        """Record that a photo has left the archive, and hide its vector from search if no other photo has it."""
        with self._database.transaction() as connection:
            photo = _photo(connection, location)
            if photo is not None and photo.state != "gone":
                _change(connection, photo.id, {"state": "gone", "gone_at": datetime.now(UTC).isoformat()})
                _refresh_live(connection, [photo.content_id])

    def move(self, source: Location, target: Location) -> None:
        """Let a photo keep its row under another path; what was once known at the target is forgotten."""
        with self._database.transaction() as connection:
            photo = _photo(connection, source)
            if photo is None or photo.state == "gone":  # moved already
                return
            old = _photo(connection, target)
            if old is not None:
                connection.execute(delete(PhotoTable).where(PhotoTable.id == old.id))
            _change(connection, photo.id, {"root_id": root_id(connection, target.root), "path": target.relative})
            _refresh_live(connection, [photo.content_id, old.content_id if old else None])

    def touch(self, location: Location, size: int, mtime_ns: int) -> None:
        """Record a photo's new time: its bytes are the same."""
        with self._database.transaction() as connection:
            photo = _photo(connection, location)
            if photo is not None and photo.state != "gone":
                _change(connection, photo.id, {"size": size, "mtime_ns": mtime_ns})

    def restore(self, location: Location, size: int, mtime_ns: int, sha256: bytes) -> None:
        """Record that a photo is back; bytes that the catalogue does not know are left to the next indexing run."""
        with self._database.transaction() as connection:
            query = select(ContentTable.id, ContentTable.vector_row).where(ContentTable.hash == sha256)
            content = connection.execute(query).one_or_none()
            if content is None:
                return
            photo = _photo(connection, location)
            values: dict[str, Any] = {
                "root_id": root_id(connection, location.root),
                "path": location.relative,
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
                _change(connection, photo.id, values)
            _refresh_live(connection, [content.id, photo.content_id if photo else None])


def _photo(connection: Connection, location: Location) -> Row[int, str, int | None] | None:
    query = (
        select(PhotoTable.id, PhotoTable.state, PhotoTable.content_id)
        .join(RootTable, RootTable.id == PhotoTable.root_id)
        .where(RootTable.name == location.root, PhotoTable.path == location.relative)
    )
    return connection.execute(query).one_or_none()


def _change(connection: Connection, photo_id: int, values: dict[str, Any]) -> None:
    connection.execute(update(PhotoTable).where(PhotoTable.id == photo_id).values(values))


def _refresh_live(connection: Connection, contents: Iterable[int | None]) -> None:
    """Show the vectors that a present photo has, hide the others."""
    ids = [content for content in contents if content is not None]
    connection.execute(update(ContentTable).where(ContentTable.id.in_(ids), HAS_VECTOR).values(live=in_use()))
