"""Contents: what is true of some bytes, wherever copies of them lie; each has at most one vector."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, bindparam, func, select

from retrieval.catalogue.conditions import DEAD, HAS_VECTOR, LIVE
from retrieval.catalogue.database import Transactions
from retrieval.catalogue.dialect import Dialect
from retrieval.catalogue.tables import ContentTable, OutdatedHashTable, PhotoTable, PreviewTable, RootTable
from retrieval.records import Rows, StoredVector

Ids = NDArray[np.int64]  # (n,), of contents

# What every query asks is put together once: that takes longer than the answer.
_EMBEDDED: Select[*tuple[Any, ...]] = select(ContentTable.vector_row, ContentTable.norm, ContentTable.species).where(
    HAS_VECTOR
)
_WITH_HASH = _EMBEDDED.where(ContentTable.hash == bindparam("hash"))
_OF_FILE = (
    _EMBEDDED.join(PhotoTable, PhotoTable.content_id == ContentTable.id)
    .join(RootTable, RootTable.id == PhotoTable.root_id)
    .where(RootTable.name == bindparam("root"), PhotoTable.path == bindparam("path"), PhotoTable.state == "indexed")
    .where(PhotoTable.size == bindparam("size"), PhotoTable.mtime_ns == bindparam("mtime_ns"))
)
_FAILURE = select(ContentTable.failure_kind).where(ContentTable.hash == bindparam("hash"))
_LAST_ROW = select(func.max(ContentTable.vector_row))
_DEAD = select(ContentTable.vector_row).where(DEAD)


class LiveContents(NamedTuple):
    """The contents that present photos have, in the order of their vector rows."""

    ids: Ids
    rows: Rows  # (n,), of vectors.f16


class Trait(NamedTuple):
    """What a content can be told from another by, without its picture."""

    content: int  # id
    hash: bytes  # SHA-256
    preview_hash: bytes | None  # perceptual, 8 bytes; None for what was indexed before there were previews
    outdated_rules: int | None  # of that hash; None: the present ones
    camera: str | None
    taken_at: datetime | None


class Contents:
    """Questions about contents; each call sees one state."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def vectors(self) -> int:
        """Return how many rows of vectors.f16 are committed."""
        with self._database.transaction() as connection:
            return count_vectors(connection)

    def dead_rows(self) -> Rows:
        """Return the vector rows that no present photo has, ascending: (n,) int64, read-only."""
        with self._database.transaction() as connection:
            rows = np.sort(self._database.dialect.numbers(connection, _DEAD), kind="stable")
        rows.flags.writeable = False
        return rows

    def is_settled(self, content_hash: bytes, retry: Iterable[str] = ()) -> bool:
        """Tell whether these bytes need no reading: embedded, or failed for a reason that is not in `retry`.

        May be called from any thread.
        """
        with self._database.transaction() as connection:
            row = connection.execute(_FAILURE, {"hash": content_hash}).one_or_none()
        return row is not None and row.failure_kind not in set(retry)

    def with_hash(self, content_hash: bytes) -> StoredVector | None:
        """Return the vector of these bytes, by their SHA-256; None if they were never embedded."""
        return self._stored(_WITH_HASH, {"hash": content_hash})

    def of_file(self, root: str, relative: str, size: int, mtime_ns: int) -> StoredVector | None:
        """Return the vector of an indexed file; None if it has changed since, judged by size and time."""
        return self._stored(_OF_FILE, {"root": root, "path": relative, "size": size, "mtime_ns": mtime_ns})

    def _stored(self, query: Select[*tuple[Any, ...]], values: dict[str, Any]) -> StoredVector | None:
        with self._database.transaction() as connection:
            found = connection.execute(query, values).one_or_none()
        return StoredVector(*found) if found else None

    def live(self) -> LiveContents:
        """Return the contents that present photos have."""
        query = select(ContentTable.id, ContentTable.vector_row).where(LIVE).order_by(ContentTable.vector_row)
        with self._database.transaction() as connection:
            found = np.array(connection.execute(query).all(), dtype=np.int64).reshape(-1, 2)
        return LiveContents(found[:, 0], found[:, 1])

    def repeated(self) -> Ids:
        """Return the ids of the contents that more than one present photo has, ascending: (n,) int64."""
        query = select(PhotoTable.content_id).where(PhotoTable.state == "indexed")
        query = query.group_by(PhotoTable.content_id).having(func.count() > 1).order_by(PhotoTable.content_id)
        return ids_of(self._database, query)

    def traits(self, rows: Sequence[int]) -> dict[int, Trait]:
        """Return the traits of vector rows, by row."""
        dialect = self._database.dialect
        with self._database.transaction() as connection:
            found = connection.execute(_traits_of_rows(dialect), {"rows": dialect.ids(rows)})
            return {row[0]: Trait(*row[1:]) for row in found}


@cache
def _traits_of_rows(dialect: Dialect) -> Select[*tuple[Any, ...]]:
    content, outdated = ContentTable, OutdatedHashTable
    columns = (content.vector_row, content.id, content.hash, PreviewTable.hash, outdated.rules)
    return (
        select(*columns, content.camera, content.taken_at)
        .outerjoin_from(content, PreviewTable, PreviewTable.content_id == content.id)
        .outerjoin(outdated, content.id.between(outdated.first_id, outdated.last_id))
        .where(dialect.any_of(content.vector_row, "rows"))
    )


def count_vectors(connection: Connection) -> int:
    """Return the number of committed vector rows; they are dense from 0."""
    last = connection.execute(_LAST_ROW).scalar_one()
    return 0 if last is None else last + 1


def ids_of(database: Transactions, query: Select[Any]) -> Ids:
    """Return the one column of a query, in its order: (n,) int64."""
    with database.transaction() as connection:
        return np.fromiter(connection.execute(query).scalars(), dtype=np.int64)
