"""Whether the catalogue contradicts itself, and the repair of what can be derived; `verify` decides when."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Select, and_, case, delete, func, or_, select, update

from retrieval.catalogue.conditions import HAS_VECTOR, in_use
from retrieval.catalogue.database import Transactions
from retrieval.catalogue.tables import ContentTable, PhotoTable

ROWS_AT_ONCE = 500  # given up in one transaction
LOST = "its vector was lost or damaged: index again"


class Contradiction(Enum):
    """What can be wrong inside the database."""

    DAMAGED_FILE = "damaged-file"  # as the database itself says; `detail` has its words
    BROKEN_REFERENCES = "broken-references"
    ROWS_WITHOUT_CONTENT = "rows-without-content"  # vector rows that nothing was recorded for
    WRONG_MASKS = "wrong-masks"  # vectors hidden that a present photo has, or shown that none has
    INDEXED_WITHOUT_VECTOR = "indexed-without-vector"  # photos
    FAILED_WITHOUT_REASON = "failed-without-reason"  # photos


@dataclass(frozen=True, slots=True)
class Finding:
    """A contradiction, and how often it was found."""

    kind: Contradiction
    count: int
    detail: str = ""


class Integrity:
    """Looks for contradictions and repairs; each call is one transaction or more. Repairs need the writer's lock."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def findings(self) -> list[Finding]:
        """Return what contradicts itself; empty when the catalogue is sound."""
        with self._database.transaction() as connection:
            return [one for one in self._findings(connection) if one.count]

    def _findings(self, connection: Connection) -> Iterator[Finding]:
        dialect = self._database.dialect
        for detail in dialect.damage(connection):
            yield Finding(Contradiction.DAMAGED_FILE, 1, detail)
        yield Finding(Contradiction.BROKEN_REFERENCES, dialect.broken_references(connection))
        for name, count in connection.execute(_contradictions()).one()._asdict().items():
            yield Finding(Contradiction[name], count)

    def refresh_masks(self) -> None:
        """Derive again which vectors a present photo has."""
        with self._database.transaction() as connection:
            connection.execute(update(ContentTable).where(HAS_VECTOR).values(live=in_use()))

    def remove_from(self, row: int) -> int:
        """Remove the contents whose vectors are missing from the end of the file, from `row` on; return how many.

        Their photos count as unread, so that the next run embeds them again.
        """
        with self._database.transaction() as connection:
            lost = ContentTable.vector_row >= row
            _mark_unread(connection, select(ContentTable.id).where(lost))
            return connection.execute(delete(ContentTable).where(lost)).rowcount

    def give_up(self, rows: Iterable[int]) -> None:
        """Hide damaged vectors for ever; the next run embeds their photos again, into new rows."""
        remaining = iter(rows)
        while some := list(islice(remaining, ROWS_AT_ONCE)):
            with self._database.transaction() as connection:
                _mark_unread(connection, select(ContentTable.id).where(ContentTable.vector_row.in_(some)))
                for row in some:  # no file has such a hash, so nothing will ever be taken for this content
                    values = {"hash": f"damaged row {row}".encode(), "live": False}
                    connection.execute(update(ContentTable).where(ContentTable.vector_row == row).values(values))


def _mark_unread(connection: Connection, contents: Select[int]) -> None:
    affected = update(PhotoTable).where(PhotoTable.content_id.in_(contents))
    values = {"content_id": None, "failure_kind": "unreadable", "failure": LOST}
    connection.execute(affected.where(PhotoTable.state == "gone").values(values))
    connection.execute(affected.values({**values, "state": "failed"}))


def _contradictions() -> Select[*tuple[Any, ...]]:
    gaps = func.coalesce(func.max(ContentTable.vector_row) + 1, 0) - func.count(ContentTable.vector_row)
    wrong_masks = func.count(case((and_(HAS_VECTOR, ContentTable.live != in_use()), 1)))
    photos = (
        select(func.count()).select_from(PhotoTable).outerjoin(ContentTable, ContentTable.id == PhotoTable.content_id)
    )
    indexed_without = photos.where(PhotoTable.state == "indexed", ContentTable.vector_row.is_(None))
    failed_without = photos.where(PhotoTable.state == "failed", PhotoTable.failure_kind.is_(None)).where(
        or_(ContentTable.id.is_(None), ContentTable.failure_kind.is_(None))
    )
    return select(
        gaps.label(Contradiction.ROWS_WITHOUT_CONTENT.name),
        wrong_masks.label(Contradiction.WRONG_MASKS.name),
        indexed_without.scalar_subquery().label(Contradiction.INDEXED_WITHOUT_VECTOR.name),
        failed_without.scalar_subquery().label(Contradiction.FAILED_WITHOUT_REASON.name),
    )
