"""What the catalogue knows of pictures that look alike: looks, sketches and likenesses."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, and_, delete, exists, func, insert, select, update

from retrieval.catalogue.database import Transactions
from retrieval.catalogue.reader import IN_LIMIT
from retrieval.catalogue.tables import (
    Base,
    ComparedTable,
    ContentTable,
    IgnoredPairTable,
    MatchTable,
    PhotoTable,
    PreviewTable,
    RootTable,
    SketchTable,
)
from retrieval.records import Preview

Ids = NDArray[np.int64]  # (n,), of contents


class Match(NamedTuple):
    """Two contents that show the same picture."""

    first: int  # the lower id
    second: int
    kind: str  # same-pixels, near
    cosine: float
    score: float  # 0 to 1
    reason: str


class Copy(NamedTuple):
    """A present photo file, with what is known of its content."""

    content: int
    root: str
    relative: str
    size: int  # bytes
    mtime_ns: int
    hash: bytes  # SHA-256
    row: int  # of vectors.f16
    format: str | None
    width: int | None
    height: int | None
    taken_at: Any  # datetime, or None
    latitude: float | None
    longitude: float | None
    camera: str | None
    lens: str | None


class Matches:
    """Questions and entries about contents; each call is one transaction. Entries need the writer's lock."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def live(self) -> tuple[Ids, Ids]:
        """Return the contents that present photos have, and their vector rows, by row."""
        query = select(ContentTable.id, ContentTable.vector_row).where(_live()).order_by(ContentTable.vector_row)
        with self._database.transaction() as connection:
            found = np.array(connection.execute(query).all(), dtype=np.int64).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    def without_preview(self) -> Ids:
        """Return the contents whose look is not known: they were indexed before looks were kept."""
        return self._ids(select(ContentTable.id).where(_live(), ~_has(PreviewTable)).order_by(ContentTable.vector_row))

    def without_sketch(self, rules: int) -> Ids:
        """Return the contents with a look whose sketch is missing, or was drawn by other rules."""
        return self._ids(
            select(PreviewTable.content_id)
            .join(ContentTable, ContentTable.id == PreviewTable.content_id)
            .where(_live(), ~_has(SketchTable, SketchTable.rules == rules))
            .order_by(ContentTable.vector_row)
        )

    def uncompared(self, rules: int) -> Ids:
        """Return the contents that were not compared yet with all others, by these rules."""
        return self._ids(
            select(SketchTable.content_id)
            .join(ContentTable, ContentTable.id == SketchTable.content_id)
            .where(_live(), ~_has(ComparedTable, ComparedTable.rules.in_((rules, -rules))))
            .order_by(ContentTable.vector_row)
        )

    def incomplete(self, rules: int) -> Ids:
        """Return the contents that were compared, but not yet within the families that this joined."""
        return self._ids(select(ComparedTable.content_id).where(ComparedTable.rules == -rules))

    def complete(self, rules: int) -> None:
        """Record that the families of all compared contents are complete."""
        with self._database.transaction() as connection:
            connection.execute(update(ComparedTable).where(ComparedTable.rules == -rules).values(rules=rules))

    def _ids(self, query: Select[int]) -> Ids:
        with self._database.transaction() as connection:
            return np.fromiter(connection.execute(query).scalars(), dtype=np.int64)

    def previews(self, contents: Sequence[int]) -> dict[int, Preview]:
        """Return what these contents look like."""
        table = PreviewTable
        query = select(table.content_id, table.hash, table.thumbnail)
        return {row[0]: Preview(row[1], row[2]) for row in self._among(query, table.content_id, contents)}

    def thumbnail(self, root: str, relative: str) -> bytes | None:
        """Return the thumbnail of an indexed photo."""
        query = (
            select(PreviewTable.thumbnail)
            .join(PhotoTable, PhotoTable.content_id == PreviewTable.content_id)
            .join(RootTable, RootTable.id == PhotoTable.root_id)
            .where(RootTable.name == root, PhotoTable.path == relative)
        )
        with self._database.transaction() as connection:
            return connection.execute(query).scalar_one_or_none()

    def hashes(self) -> tuple[Ids, NDArray[np.uint64]]:
        """Return the perceptual hashes of the live contents: ids (n,), and 64 bits each (n,)."""
        query = select(PreviewTable.content_id, PreviewTable.hash).join(
            ContentTable, ContentTable.id == PreviewTable.content_id
        )
        with self._database.transaction() as connection:
            found = connection.execute(query.where(_live()).order_by(PreviewTable.content_id)).all()
        ids = np.fromiter((row[0] for row in found), np.int64, len(found))
        return ids, np.frombuffer(b"".join(row[1] for row in found), dtype=">u8").astype(np.uint64)

    def sketches(self, width: int) -> tuple[Ids, NDArray[np.int8]]:
        """Return the sketches of the live contents: ids (n,) and vectors (n, width)."""
        query = (
            select(SketchTable.content_id, SketchTable.vector)
            .join(ContentTable, ContentTable.id == SketchTable.content_id)
            .where(_live())
            .order_by(ContentTable.vector_row)
        )
        with self._database.transaction() as connection:
            count = connection.execute(select(func.count()).select_from(SketchTable)).scalar_one()
            ids, vectors = np.empty(count, np.int64), np.empty((count, width), np.int8)
            rows = 0
            for rows, (content, vector) in enumerate(connection.execute(query), start=1):
                ids[rows - 1] = content
                vectors[rows - 1] = np.frombuffer(vector, np.int8)
        return ids[:rows], vectors[:rows]

    def forget_absent(self, rules: int) -> None:
        """Take back that absent contents were compared: what comes meanwhile is not compared with them."""
        gone = select(ContentTable.id).where(ContentTable.live == 0)
        with self._database.transaction() as connection:
            connection.execute(delete(ComparedTable).where(ComparedTable.content_id.in_(gone)))
            stale = connection.execute(select(exists().where(ComparedTable.rules.not_in((rules, -rules))))).scalar_one()
            if stale:
                for table in (ComparedTable, MatchTable, SketchTable):
                    connection.execute(delete(table))

    def add_previews(self, previews: Mapping[int, Preview]) -> None:
        """Record looks."""
        rows = [
            {"content_id": key, "hash": preview.hash, "thumbnail": preview.thumbnail}
            for key, preview in previews.items()
        ]
        self._replace(PreviewTable, rows)

    def add_sketches(self, sketches: Mapping[int, NDArray[np.int8]], rules: int) -> None:
        """Record sketches."""
        rows = [{"content_id": key, "rules": rules, "vector": vector.tobytes()} for key, vector in sketches.items()]
        self._replace(SketchTable, rows)

    def add_compared(self, contents: Iterable[int], found: Collection[Match], rules: int) -> None:
        """Record what comparing some contents with all others found, nothing included; see `incomplete`."""
        with self._database.transaction() as connection:
            _replace(connection, MatchTable, [_match_values(match) for match in found])
            _replace(connection, ComparedTable, [{"content_id": content, "rules": -rules} for content in contents])

    def add_matches(self, found: Collection[Match]) -> None:
        """Record likenesses."""
        self._replace(MatchTable, [_match_values(match) for match in found])

    def _replace(self, table: type[Base], rows: list[dict[str, Any]]) -> None:
        with self._database.transaction() as connection:
            _replace(connection, table, rows)

    def matches(self) -> list[Match]:
        """Return the likenesses between live contents that nobody denied."""
        table = MatchTable
        first, second = ContentTable.__table__.alias("a"), ContentTable.__table__.alias("b")
        denied = exists().where(
            IgnoredPairTable.first == func.min(first.c.hash, second.c.hash),
            IgnoredPairTable.second == func.max(first.c.hash, second.c.hash),
        )
        query = (
            select(table.first_id, table.second_id, table.kind, table.cosine, table.score, table.reason)
            .join(first, first.c.id == table.first_id)
            .join(second, second.c.id == table.second_id)
            .where(first.c.live == 1, second.c.live == 1, ~denied)
            .order_by(table.first_id, table.second_id)
        )
        with self._database.transaction() as connection:
            return [Match(*row) for row in connection.execute(query)]

    def repeated(self) -> Ids:
        """Return the contents that more than one present photo has."""
        query = select(PhotoTable.content_id).where(PhotoTable.state == "indexed")
        query = query.group_by(PhotoTable.content_id).having(func.count() > 1).order_by(PhotoTable.content_id)
        with self._database.transaction() as connection:
            return np.fromiter(connection.execute(query).scalars(), dtype=np.int64)

    def copies(self, contents: Sequence[int]) -> Iterator[Copy]:
        """Yield the present photos of these contents."""
        for row in self._among(_copies(), ContentTable.id, contents):
            yield Copy(*row)

    def of_format(self, name: str) -> list[Copy]:
        """Return the photos of one format, as the decoder names it."""
        with self._database.transaction() as connection:
            return [Copy(*row) for row in connection.execute(_copies().where(ContentTable.format == name))]

    def with_hash(self, content_hash: bytes) -> list[Copy]:
        """Return the photos that have these bytes."""
        query = _copies().where(ContentTable.hash == content_hash).order_by(PhotoTable.path)
        with self._database.transaction() as connection:
            return [Copy(*row) for row in connection.execute(query)]

    def at(self, root: str, relatives: Sequence[str]) -> list[Copy]:
        """Return the photos at some paths of a root."""
        query = _copies().where(RootTable.name == root, PhotoTable.path.in_(relatives))
        with self._database.transaction() as connection:
            return [Copy(*row) for row in connection.execute(query)]

    def timed(self) -> Iterator[Copy]:
        """Yield the photos whose time and camera are known, by camera and then by time: bursts stand together."""
        query = _copies().where(ContentTable.taken_at.is_not(None), ContentTable.camera.is_not(None))
        with self._database.transaction() as connection:
            for row in connection.execute(query.order_by(ContentTable.camera, ContentTable.taken_at, PhotoTable.path)):
                yield Copy(*row)

    def _among(self, query: Any, column: Any, values: Sequence[int]) -> Iterator[Any]:
        with self._database.transaction() as connection:
            for some in _parts([int(value) for value in values]):
                yield from connection.execute(query.where(column.in_(some)))


def _parts(values: list[int]) -> Iterator[list[int]]:
    return (values[start : start + IN_LIMIT] for start in range(0, len(values), IN_LIMIT))


def _live() -> Any:
    return and_(ContentTable.live == 1, ContentTable.vector_row.is_not(None))


def _has(table: Any, *conditions: Any) -> Any:
    return exists().where(table.content_id == ContentTable.id, *conditions)


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


def _match_values(match: Match) -> dict[str, Any]:
    values = match._asdict()
    return {"first_id": values.pop("first"), "second_id": values.pop("second"), **values}


def _replace(connection: Connection, table: type[Base], rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table).prefix_with("OR REPLACE"), rows)
