"""Previews: what a content looks like, as a perceptual hash and a thumbnail."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, bindparam, delete, select, update

from retrieval.catalogue.conditions import LIVE, has
from retrieval.catalogue.contents import Ids, ids_of
from retrieval.catalogue.database import Transactions
from retrieval.catalogue.dialect import Dialect
from retrieval.catalogue.tables import ContentTable, OutdatedHashTable, PhotoTable, PreviewTable, RootTable
from retrieval.records import Preview


class PerceptualHashes(NamedTuple):
    """The perceptual hashes of some contents."""

    ids: Ids
    bits: NDArray[np.uint64]  # (n,), 64 of each


class IdRange(NamedTuple):
    """Contents from one id to another."""

    first: int
    last: int  # included


class Previews:
    """The previews of contents; each call is one transaction. Additions need the writer's lock."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def of(self, contents: Sequence[int]) -> dict[int, Preview]:
        """Return the previews of these contents, by id; those without one are left out."""
        dialect = self._database.dialect
        with self._database.transaction() as connection:
            found = connection.execute(_previews_of(dialect), {"ids": dialect.ids(contents)})
            return {row[0]: Preview(row[1], row[2]) for row in found}

    def missing(self) -> Ids:
        """Return the live contents without a preview: they were indexed before there were previews."""
        query = select(ContentTable.id).where(LIVE, ~has(PreviewTable)).order_by(ContentTable.vector_row)
        return ids_of(self._database, query)

    def thumbnail(self, root: str, relative: str) -> bytes | None:
        """Return the thumbnail of an indexed photo, a JPEG."""
        query = (
            select(PreviewTable.thumbnail)
            .join(PhotoTable, PhotoTable.content_id == PreviewTable.content_id)
            .join(RootTable, RootTable.id == PhotoTable.root_id)
            .where(RootTable.name == root, PhotoTable.path == relative)
        )
        with self._database.transaction() as connection:
            return connection.execute(query).scalar_one_or_none()

    def hashes(self) -> PerceptualHashes:
        """Return the perceptual hashes of the live contents, by id."""
        query = select(PreviewTable.content_id, PreviewTable.hash).join(
            ContentTable, ContentTable.id == PreviewTable.content_id
        )
        with self._database.transaction() as connection:
            found = connection.execute(query.where(LIVE).order_by(PreviewTable.content_id)).all()
        ids = np.fromiter((row[0] for row in found), np.int64, len(found))
        return PerceptualHashes(ids, np.frombuffer(b"".join(row[1] for row in found), dtype=">u8").astype(np.uint64))

    def outdated(self) -> list[IdRange]:
        """Return the ranges of contents whose perceptual hashes are of older rules."""
        query = select(OutdatedHashTable.first_id, OutdatedHashTable.last_id).order_by(OutdatedHashTable.first_id)
        with self._database.transaction() as connection:
            return [IdRange(*row) for row in connection.execute(query)]

    def thumbnails(self, ids: IdRange, limit: int) -> dict[int, bytes]:
        """Return the first thumbnails in a range of contents, by ascending id."""
        table = PreviewTable
        query = select(table.content_id, table.thumbnail).where(table.content_id.between(ids.first, ids.last))
        with self._database.transaction() as connection:
            return {row[0]: row[1] for row in connection.execute(query.order_by(table.content_id).limit(limit))}

    def update_hashes(self, hashes: Mapping[int, bytes | None], outdated: IdRange, done: int) -> None:
        """Record hashes by content id, None for a preview to be removed: the first `done` ids of an outdated range."""
        keyed = PreviewTable.content_id == bindparam("key")
        new = [{"key": content_id, "hash": found} for content_id, found in hashes.items() if found is not None]
        damaged = [{"key": content_id} for content_id, found in hashes.items() if found is None]
        table, following = OutdatedHashTable, outdated.first + done
        chosen = table.first_id == outdated.first
        with self._database.transaction() as connection:
            if new:
                connection.execute(update(PreviewTable).where(keyed).values(hash=bindparam("hash")), new)
            if damaged:
                connection.execute(delete(PreviewTable).where(keyed), damaged)
            if following > outdated.last:
                connection.execute(delete(table).where(chosen))
            else:
                connection.execute(update(table).where(chosen).values(first_id=following))

    def add(self, previews: Mapping[int, Preview]) -> None:
        """Record previews by content id, over those that there were."""
        rows = [
            {"content_id": key, "hash": preview.hash, "thumbnail": preview.thumbnail}
            for key, preview in previews.items()
        ]
        if rows:
            with self._database.transaction() as connection:
                connection.execute(self._database.dialect.add_or_replace(PreviewTable), rows)


@cache
def _previews_of(dialect: Dialect) -> Select[*tuple[Any, ...]]:
    table = PreviewTable
    return select(table.content_id, table.hash, table.thumbnail).where(dialect.any_of(table.content_id, "ids"))
