"""Copies: present photo files, each with all that is known of its content; what duplicates are made of."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Select, select

from retrieval.catalogue.database import Transactions
from retrieval.catalogue.dialect import Dialect
from retrieval.catalogue.tables import ContentTable, PhotoTable, RootTable


class Copy(NamedTuple):
    """A present photo file, with what is known of its content."""

    content: int  # id
    root: str
    relative: str
    size: int  # bytes
    mtime_ns: int
    hash: bytes  # SHA-256
    row: int  # of vectors.f16
    format: str | None
    width: int | None  # pixels, upright
    height: int | None
    taken_at: Any  # datetime, or None
    latitude: float | None  # degrees, WGS 84
    longitude: float | None
    camera: str | None
    lens: str | None


class Copies:
    """Questions about the copies of contents; each call sees one state."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def of(self, contents: Sequence[int]) -> Iterator[Copy]:
        """Yield the copies of these contents, by id."""
        dialect = self._database.dialect
        return self._found(_copies_of(dialect), {"ids": dialect.ids(contents)})

    def of_format(self, name: str) -> list[Copy]:
        """Return the photos of one format, as the decoder names it."""
        return [*self._found(_copies().where(ContentTable.format == name))]

    def with_hash(self, content_hash: bytes) -> list[Copy]:
        """Return the photos that have these bytes, by path."""
        return [*self._found(_copies().where(ContentTable.hash == content_hash).order_by(PhotoTable.path))]

    def at(self, root: str, relatives: Sequence[str]) -> list[Copy]:
        """Return the photos at some paths of a root."""
        return [*self._found(_copies().where(RootTable.name == root, PhotoTable.path.in_(relatives)))]

    def timed(self) -> Iterator[Copy]:
        """Yield the photos whose time and camera are known, by camera and then by time: bursts stand together."""
        query = _copies().where(ContentTable.taken_at.is_not(None), ContentTable.camera.is_not(None))
        return self._found(query.order_by(ContentTable.camera, ContentTable.taken_at, PhotoTable.path))

    def _found(self, query: Select[*tuple[Any, ...]], values: dict[str, Any] | None = None) -> Iterator[Copy]:
        with self._database.transaction() as connection:
            for row in connection.execute(query, values):
                yield Copy(*row)


@cache
def _copies_of(dialect: Dialect) -> Select[*tuple[Any, ...]]:
    return _copies().where(dialect.any_of(ContentTable.id, "ids")).order_by(ContentTable.id, PhotoTable.id)


def _copies() -> Select[*tuple[Any, ...]]:
    content, photo = ContentTable, PhotoTable
    return (
        select(
            content.id,
            RootTable.name,
            photo.path,
            photo.size,
            photo.mtime_ns,
            content.hash,
            content.vector_row,
            content.format,
            content.width,
            content.height,
            content.taken_at,
            content.latitude,
            content.longitude,
            content.camera,
            content.lens,
        )
        .join_from(photo, content, photo.content_id == content.id)
        .join(RootTable, RootTable.id == photo.root_id)
        .where(photo.state == "indexed")
    )
