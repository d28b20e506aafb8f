"""Every question that is asked of the catalogue; nothing here changes it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, case, exists, false, func, or_, select, text

from retrieval.catalogue.database import Transactions, state
from retrieval.catalogue.tables import ContentTable, PhotoTable, RootTable
from retrieval.records import Counts, Photo, Rows, Stored

IN_LIMIT = 500  # values per IN list; SQLite's own limit on parameters is 32,766


# What every query asks is put together once: that takes longer than the answer.
_EMBEDDED = select(ContentTable.vector_row, ContentTable.norm, ContentTable.species).where(
    ContentTable.vector_row.is_not(None)
)
_WITH_HASH = _EMBEDDED.where(ContentTable.hash == bindparam("hash"))
_AT_PLACE = (
    _EMBEDDED.join(PhotoTable, PhotoTable.content_id == ContentTable.id)
    .join(RootTable, RootTable.id == PhotoTable.root_id)
    .where(RootTable.name == bindparam("root"), PhotoTable.path == bindparam("path"), PhotoTable.state == "indexed")
    .where(PhotoTable.size == bindparam("size"), PhotoTable.mtime_ns == bindparam("mtime_ns"))
)
_PHOTOS_AT: Select[*tuple[Any, ...]] = (
    select(
        ContentTable.vector_row,
        RootTable.name,
        PhotoTable.path,
        ContentTable.species,
        ContentTable.probability,
        ContentTable.taken_at,
    )
    .join_from(ContentTable, PhotoTable, PhotoTable.content_id == ContentTable.id)
    .join(RootTable, RootTable.id == PhotoTable.root_id)
    .where(PhotoTable.state == "indexed", ContentTable.vector_row.in_(bindparam("rows", expanding=True)))
    .order_by(PhotoTable.path, RootTable.name)
)
_FAILURE = select(ContentTable.failure_kind).where(ContentTable.hash == bindparam("hash"))
_LAST_ROW = select(func.max(ContentTable.vector_row))
DEAD = and_(ContentTable.live == false(), ContentTable.vector_row.is_not(None))  # as its index has it: no parameter
_DEAD = select(ContentTable.vector_row).where(DEAD)


class Catalogue:
    """Questions to one database. Each call sees one consistent state; in a transaction that is held, all do."""

    def __init__(self, database: Transactions) -> None:
        self.database = database

    def vectors(self) -> int:
        """Return how many rows of vectors.f16 are committed."""
        with self.database.transaction() as connection:
            return count_vectors(connection)

    def dead_rows(self) -> Rows:
        """Return the rows that no present photo has, ascending: (n,) int64."""
        with self.database.transaction() as connection:
            now = state(connection)
            known = connection.info.get("dead_rows")  # hundreds of thousands, asked for at every query
            if known is None or known[0] != now:
                known = connection.info["dead_rows"] = (now, numbers(connection, _DEAD))
            rows: Rows = known[1]
            return rows

    def knows(self, content_hash: bytes, retry: Iterable[str] = ()) -> bool:
        """Tell whether these bytes need no reading: embedded, or failed for a reason not in `retry`.

        May be called from any thread.
        """
        with self.database.transaction() as connection:
            row = connection.execute(_FAILURE, {"hash": content_hash}).one_or_none()
        return row is not None and row.failure_kind not in set(retry)

    def stored(self, content_hash: bytes) -> Stored | None:
        """Return the vector's row and norm for these bytes, if they were embedded."""
        return self._stored(_WITH_HASH, {"hash": content_hash})

    def stored_at(self, root: str, relative: str, size: int, mtime_ns: int) -> Stored | None:
        """Return the same for an indexed file that has not changed since, by size and time."""
        return self._stored(_AT_PLACE, {"root": root, "path": relative, "size": size, "mtime_ns": mtime_ns})

    def _stored(self, query: Select[int | None, float | None, str | None], values: dict[str, Any]) -> Stored | None:
        with self.database.transaction() as connection:
            found = connection.execute(query, values).one_or_none()
        return Stored(found.vector_row, found.norm, found.species) if found else None

    def photos_at(self, rows: Sequence[int]) -> dict[int, list[Photo]]:
        """Return the present photos of vector rows: byte-identical files share a row, so there can be several."""
        photos: dict[int, list[Photo]] = {}
        with self.database.transaction() as connection:
            for start in range(0, len(rows), IN_LIMIT):
                chosen = [int(row) for row in rows[start : start + IN_LIMIT]]
                for found in connection.execute(_PHOTOS_AT, {"rows": chosen}):
                    photos.setdefault(found[0], []).append(Photo(*found))
        return photos

    def counts(self) -> Counts:
        """Count photos by state, and vectors."""
        photos = select(func.count()).select_from(PhotoTable)
        dead = select(func.count()).where(DEAD)
        with self.database.transaction() as connection:
            total, failed, gone, dead_vectors = (
                connection.execute(query).scalar_one()
                for query in (
                    photos,
                    *(photos.where(PhotoTable.state == absent) for absent in ("failed", "gone")),
                    dead,
                )
            )
            return Counts(total - failed - gone, failed, gone, count_vectors(connection), dead_vectors)

    def present(self, root: str, folder: str = "") -> int:
        """Count the photos that are not gone, in a root or in one folder of it."""
        query = select(func.count()).select_from(PhotoTable).join(RootTable, RootTable.id == PhotoTable.root_id)
        query = query.where(RootTable.name == root, PhotoTable.state != "gone", *below(folder))
        with self.database.transaction() as connection:
            return connection.execute(query).scalar_one()

    def failures_by_kind(self) -> dict[str, int]:
        """Count the failed photos by the kind of reason, most frequent first."""
        kind = func.coalesce(PhotoTable.failure_kind, ContentTable.failure_kind)
        query = select(kind, func.count()).outerjoin_from(
            PhotoTable, ContentTable, PhotoTable.content_id == ContentTable.id
        )
        query = query.where(PhotoTable.state == "failed").group_by(kind).order_by(func.count().desc(), kind)
        with self.database.transaction() as connection:
            return dict(connection.execute(query).all())

    def failures(self) -> Iterator[tuple[str, str, str, str]]:
        """Yield (root, relative path, kind, reason) of the failed photos, by path."""
        query = (
            select(
                RootTable.name,
                PhotoTable.path,
                func.coalesce(PhotoTable.failure_kind, ContentTable.failure_kind),
                func.coalesce(PhotoTable.failure, ContentTable.failure),
            )
            .join_from(PhotoTable, RootTable, RootTable.id == PhotoTable.root_id)
            .outerjoin(ContentTable, ContentTable.id == PhotoTable.content_id)
            .where(PhotoTable.state == "failed")
            .order_by(RootTable.name, PhotoTable.path)
        )
        with self.database.transaction() as connection:
            yield from connection.execute(query)

    def hashed_files(self) -> Iterator[tuple[str, str, int, int, bytes]]:
        """Yield (root, relative path, size, mtime_ns, SHA-256) of the indexed photos, by path."""
        query = (
            select(RootTable.name, PhotoTable.path, PhotoTable.size, PhotoTable.mtime_ns, ContentTable.hash)
            .join_from(PhotoTable, RootTable, RootTable.id == PhotoTable.root_id)
            .join(ContentTable, ContentTable.id == PhotoTable.content_id)
            .where(PhotoTable.state == "indexed")
            .order_by(RootTable.name, PhotoTable.path)
        )
        with self.database.transaction() as connection:
            yield from connection.execute(query)

    def problems(self) -> list[str]:
        """Return what contradicts itself inside the database; empty when it is sound."""
        with self.database.transaction() as connection:
            found = [str(line) for line in connection.execute(text("PRAGMA quick_check")).scalars() if line != "ok"]
            found += [f"broken reference: {row}" for row in connection.execute(text("PRAGMA foreign_key_check"))]
            for what, count in connection.execute(_contradictions()).one()._asdict().items():
                if count:
                    found.append(f"{count:,} {what.replace('_', ' ')}")
        return found


def numbers(connection: Connection, query: Select[Any]) -> Rows:
    """Return the one column of a query, ascending: (n,) int64, read-only."""
    found = np.sort(unsorted_numbers(connection, query), kind="stable")
    found.flags.writeable = False
    return found


def unsorted_numbers(connection: Connection, query: Select[Any]) -> Rows:
    """Return the one column of a query as it comes: (n,) int64.

    In one text, which for a million numbers takes a tenth of the time that as many Python objects do.
    """
    column = query.subquery().c[0]
    joined = connection.execute(select(func.group_concat(column))).scalar_one()
    return np.fromstring(joined or "", dtype=np.int64, sep=",")


def count_vectors(connection: Connection) -> int:
    """Return the number of committed vector rows; they are dense from 0."""
    last = connection.execute(_LAST_ROW).scalar_one()
    return 0 if last is None else last + 1


def in_use() -> ColumnElement[bool]:
    """Condition on a content: a present photo has it."""
    return exists().where(PhotoTable.content_id == ContentTable.id, PhotoTable.state == "indexed")


def below(folder: str) -> list[ColumnElement[bool]]:
    """Conditions on a photo: it lies in this folder of its root ("" for all of it); answered from the path's index."""
    # "0" is the byte after "/": the range holds exactly the paths that begin with "folder/".
    return [PhotoTable.path >= f"{folder}/", PhotoTable.path < f"{folder}0"] if folder else []


def _contradictions() -> Select[*tuple[Any, ...]]:
    has_vector = ContentTable.vector_row.is_not(None)
    gaps = func.coalesce(func.max(ContentTable.vector_row) + 1, 0) - func.count(ContentTable.vector_row)
    wrong_mask = func.count(case((and_(has_vector, ContentTable.live != in_use()), 1)))
    indexed_without = (
        select(func.count())
        .select_from(PhotoTable)
        .outerjoin(ContentTable, ContentTable.id == PhotoTable.content_id)
        .where(PhotoTable.state == "indexed", ContentTable.vector_row.is_(None))
    ).scalar_subquery()
    failed_without = (
        select(func.count())
        .select_from(PhotoTable)
        .outerjoin(ContentTable, ContentTable.id == PhotoTable.content_id)
        .where(PhotoTable.state == "failed", PhotoTable.failure_kind.is_(None))
        .where(or_(ContentTable.id.is_(None), ContentTable.failure_kind.is_(None)))
    ).scalar_subquery()
    return select(
        gaps.label("vector_rows_without_their_content"),
        wrong_mask.label("vectors_wrongly_masked_or_shown"),
        indexed_without.label("indexed_photos_without_a_vector"),
        failed_without.label("failed_photos_without_a_reason"),
    )
