"""Photos by criteria: their vector rows for search, counts, and lists of photos and of species."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import ColumnElement, Connection, Select, Text, and_, func, select, type_coerce

from retrieval.catalogue.conditions import DEAD, below
from retrieval.catalogue.contents import count_vectors
from retrieval.catalogue.criteria import Criteria, Folder, MatchingRows
from retrieval.catalogue.database import Transactions
from retrieval.catalogue.dialect import Dialect
from retrieval.catalogue.tables import ContentTable, PhotoTable, RootTable
from retrieval.records import Counts, Photo, Rows

Order = Literal["path", "date", "species", "probability"]
ORDERS: tuple[Order, ...] = get_args(Order)


class PhotoFacts(NamedTuple):
    """A present photo file, with what is known of it."""

    root: str  # name
    relative: str  # to that root, "/" between the parts
    species: str | None  # the most probable
    probability: float | None
    taken_at: datetime | None
    camera: str | None
    latitude: float | None  # degrees, WGS 84
    longitude: float | None
    width: int | None  # pixels, upright
    height: int | None
    size: int  # bytes


class SpeciesFacts(NamedTuple):
    """What there is of one species among some photos."""

    species: str
    photos: int  # files
    days: int  # on which there are photos
    first: datetime | None  # when the first dated photo was taken
    last: datetime | None
    probability: float  # of the most certain photo
    root: str  # of that photo
    relative: str


class Photos:
    """Questions about present photos; each call sees one state."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def rows(self, criteria: Criteria) -> Rows:
        """Return the vector rows of the photos, ascending: (n,) int64, read-only. Byte-identical files share one."""
        with self._database.transaction() as connection:
            return self._matching(connection).of(criteria)

    def rows_of_species(self, species: Iterable[str]) -> Rows:
        """Return the vector rows of these labels, ascending: (n,) int64."""
        with self._database.transaction() as connection:
            return self._matching(connection).of_species(species)

    def of_rows(self, rows: Sequence[int]) -> dict[int, list[Photo]]:
        """Return the present photos of vector rows: byte-identical files share a row, so there can be several."""
        photos: dict[int, list[Photo]] = {}
        dialect = self._database.dialect
        with self._database.transaction() as connection:
            for found in connection.execute(_photos_of_rows(dialect), {"rows": dialect.ids(rows)}):
                photos.setdefault(found[0], []).append(Photo(*found))
        return photos

    def species(self) -> list[str]:
        """Return the labels that photos have, or had."""
        return self._distinct(ContentTable.species)

    def cameras(self) -> list[str]:
        """Return the cameras that photos were taken with."""
        return self._distinct(ContentTable.camera)

    def any_ever_in(self, folder: Folder) -> bool:
        """Tell whether any photo lies in a folder, or ever did."""
        query = select(PhotoTable.id).join(RootTable, RootTable.id == PhotoTable.root_id)
        query = query.where(RootTable.name == folder.root, *below(folder.relative)).limit(1)
        with self._database.transaction() as connection:
            return connection.execute(query).first() is not None

    def count_in(self, folder: Folder) -> int:
        """Count the photos in a folder that are not gone: indexed and failed ones."""
        query = select(func.count()).select_from(PhotoTable).join(RootTable, RootTable.id == PhotoTable.root_id)
        query = query.where(RootTable.name == folder.root, PhotoTable.state != "gone", *below(folder.relative))
        with self._database.transaction() as connection:
            return connection.execute(query).scalar_one()

    def count_without(self, what: Literal["date", "place"]) -> int:
        """Count the photos whose date or place is not known."""
        column = ContentTable.taken_at if what == "date" else ContentTable.latitude
        query = _present().where(column.is_(None)).with_only_columns(func.count())
        with self._database.transaction() as connection:
            return connection.execute(query).scalar_one()

    def count(self, criteria: Criteria) -> int:
        """Count the photo files that satisfy the criteria."""
        with self._database.transaction() as connection:
            query, values = self._chosen(connection, criteria)
            return connection.execute(query.with_only_columns(func.count()), values).scalar_one()

    def counts(self) -> Counts:
        """Count photos by state, and vectors."""
        photos = select(func.count()).select_from(PhotoTable)
        queries = (photos, *(photos.where(PhotoTable.state == absent) for absent in ("failed", "gone")))
        with self._database.transaction() as connection:
            total, failed, gone = (connection.execute(query).scalar_one() for query in queries)
            dead = connection.execute(select(func.count()).where(DEAD)).scalar_one()
            return Counts(total - failed - gone, failed, gone, count_vectors(connection), dead)

    def matching(
        self, criteria: Criteria, *, order: Order = "path", reverse: bool = False, limit: int | None = None
    ) -> Iterator[PhotoFacts]:
        """Yield the photos that satisfy the criteria, as they are read.

        Dates begin with the oldest, probabilities with the highest; `reverse` turns that round. What is not known
        comes last either way.
        """
        content, photo = ContentTable, PhotoTable
        columns = (
            *(RootTable.name, photo.path, content.species, content.probability, content.taken_at, content.camera),
            *(content.latitude, content.longitude, content.width, content.height, photo.size),
        )
        with self._database.transaction() as connection:
            query, values = self._chosen(connection, criteria)
            query = query.with_only_columns(*columns).order_by(*_ordered(order, reverse)).limit(limit)
            for row in connection.execute(query, values):
                yield PhotoFacts._make(row)

    def by_species(self, criteria: Criteria) -> Iterator[SpeciesFacts]:
        """Yield what there is of each species, by label; of photos equally certain, the first by path stands for it."""
        with self._database.transaction() as connection:
            chosen, values = self._chosen(connection, criteria)
            query = _most_certain_of_species(chosen.where(ContentTable.species.is_not(None)))
            for _, equally_certain in groupby(connection.execute(query, values), itemgetter(0)):
                yield SpeciesFacts._make(next(equally_certain))

    def _matching(self, connection: Connection) -> MatchingRows:
        return MatchingRows(connection, self._database.dialect)

    def _chosen(self, connection: Connection, criteria: Criteria) -> tuple[Select[*tuple[Any, ...]], dict[str, Any]]:
        """A query of the photos that satisfy the criteria, and the values to execute it with."""
        if criteria == Criteria():
            return _present(), {}
        dialect = self._database.dialect
        rows = self._matching(connection).of(criteria)
        query = _present().where(dialect.any_of(ContentTable.vector_row, "rows"), *criteria.on_photos())
        return query, {"rows": dialect.ids(rows.tolist())}

    def _distinct(self, column: Any) -> list[str]:
        """The values of an indexed column, each found by one step into the index from the one before."""
        first = select(func.min(column).label("value")).where(column.is_not(None)).cte(recursive=True)
        following = select(func.min(column)).where(column > first.c.value).scalar_subquery()
        every = first.union_all(select(following).where(first.c.value.is_not(None)))
        with self._database.transaction() as connection:
            return [*connection.execute(select(every.c.value).where(every.c.value.is_not(None))).scalars()]


@cache
def _photos_of_rows(dialect: Dialect) -> Select[*tuple[Any, ...]]:
    content, photo = ContentTable, PhotoTable
    columns = (content.vector_row, RootTable.name, photo.path, content.species, content.probability, content.taken_at)
    query = _present().with_only_columns(*columns).where(dialect.any_of(content.vector_row, "rows"))
    return query.order_by(RootTable.name, photo.path)


def _present() -> Select[*tuple[Any, ...]]:
    return (
        select(PhotoTable.id)
        .join(ContentTable, ContentTable.id == PhotoTable.content_id)
        .join(RootTable, RootTable.id == PhotoTable.root_id)
        .where(PhotoTable.state == "indexed")
    )


def _most_certain_of_species(chosen: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """The columns of SpeciesFacts, by species; several photos of one, by path, where they are equally certain."""
    species, taken_at, probability = ContentTable.species, ContentTable.taken_at, ContentTable.probability
    days = func.count(func.substr(type_coerce(taken_at, Text), 1, 10).distinct())
    numbers = (func.count().label("photos"), days.label("days"), func.min(taken_at), func.max(taken_at))
    counted = chosen.with_only_columns(species, *numbers, func.max(probability).label("most")).group_by(species).cte()
    equal = and_(species == counted.c.species, probability.is_not_distinct_from(counted.c.most))
    found = chosen.join(counted, equal).with_only_columns(*counted.c, RootTable.name, PhotoTable.path)
    return found.order_by(species, RootTable.name, PhotoTable.path)


def _ordered(order: Order, reverse: bool) -> list[ColumnElement[Any]]:
    path: list[ColumnElement[Any]] = [PhotoTable.root_id.asc(), PhotoTable.path.asc()]
    if order == "path":
        return [PhotoTable.root_id.desc(), PhotoTable.path.desc()] if reverse else path
    probability = ContentTable.probability
    column: Any = {"date": ContentTable.taken_at, "species": ContentTable.species}.get(order, probability)
    first = column.desc() if (order == "probability") != reverse else column.asc()
    return [first.nulls_last(), *([probability.desc()] if order == "species" else []), *path]
