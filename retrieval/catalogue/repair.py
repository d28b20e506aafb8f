"""Mends the catalogue where it can be derived from what is left; `verify` decides when."""

from collections.abc import Iterable
from itertools import islice

from sqlalchemy import Connection, delete, select, update

from retrieval.catalogue.database import Database
from retrieval.catalogue.reader import in_use
from retrieval.catalogue.tables import ContentTable, PhotoTable

ROWS_AT_ONCE = 500
LOST = "its vector was lost or damaged: index again"


def refresh_masks(database: Database) -> None:
    """Derive again which vectors a present photo has."""
    with database.transaction() as connection:
        has_vector = ContentTable.vector_row.is_not(None)
        connection.execute(update(ContentTable).where(has_vector).values(live=in_use()))


def forget_from(database: Database, row: int) -> int:
    """Drop the contents whose vectors are missing from the end of the file; return how many.

    Their photos count as unread, so that the next run embeds them again.
    """
    with database.transaction() as connection:
        lost = select(ContentTable.id).where(ContentTable.vector_row >= row)
        _unread(connection, lost.scalar_subquery())
        return connection.execute(delete(ContentTable).where(ContentTable.vector_row >= row)).rowcount


def disown(database: Database, rows: Iterable[int]) -> None:
    """Give up damaged vectors: masked for ever, their photos are embedded again into new rows by the next run."""
    remaining = iter(rows)
    while chosen := list(islice(remaining, ROWS_AT_ONCE)):
        with database.transaction() as connection:
            lost = ContentTable.vector_row.in_(chosen)
            _unread(connection, select(ContentTable.id).where(lost).scalar_subquery())
            for row in chosen:  # no file has such a hash, so nothing will ever be taken for this content
                values = {"hash": f"damaged row {row}".encode(), "live": False}
                connection.execute(update(ContentTable).where(ContentTable.vector_row == row).values(values))


def _unread(connection: Connection, contents: object) -> None:
    affected = update(PhotoTable).where(PhotoTable.content_id.in_(contents))  # type: ignore[arg-type]
    values = {"content_id": None, "failure_kind": "unreadable", "failure": LOST}
    connection.execute(affected.where(PhotoTable.state == "gone").values(values))
    connection.execute(affected.values({**values, "state": "failed"}))
