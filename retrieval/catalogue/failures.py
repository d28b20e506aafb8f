"""Failures: photos that could not be read, with the reason."""

from collections.abc import Iterator
from typing import NamedTuple, cast

from sqlalchemy import func, select

from retrieval.catalogue.database import Transactions
from retrieval.catalogue.tables import ContentTable, PhotoTable, RootTable
from retrieval.errors import FailureKind


class FailedFile(NamedTuple):
    """A photo that could not be read."""

    root: str
    relative: str
    kind: FailureKind
    reason: str


class Failures:
    """Questions about failures; each call sees one state."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def count_by_kind(self) -> dict[str, int]:
        """Count the failed photos by the kind of reason, most frequent first."""
        kind = func.coalesce(PhotoTable.failure_kind, ContentTable.failure_kind)
        query = select(kind, func.count()).outerjoin_from(
            PhotoTable, ContentTable, PhotoTable.content_id == ContentTable.id
        )
        query = query.where(PhotoTable.state == "failed").group_by(kind).order_by(func.count().desc(), kind)
        with self._database.transaction() as connection:
            return dict(connection.execute(query).all())

    def all(self) -> Iterator[FailedFile]:
        """Yield the failed photos, by path."""
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
        with self._database.transaction() as connection:
            for root, relative, kind, reason in connection.execute(query):
                yield FailedFile(root, relative, cast(FailureKind, kind), reason)
