"""Photos by filter: their rows for search, and lists of photos and of species. Nothing here changes the catalogue."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Connection, Select, Text, bindparam, func, select, type_coerce

from retrieval.catalogue.database import Transactions, state
from retrieval.catalogue.filters import Criteria, Place, matching_rows, rows_of_species
from retrieval.catalogue.reader import below
from retrieval.catalogue.tables import ContentTable, PhotoTable, RootTable
from retrieval.records import Rows

Order = Literal["path", "date", "species", "probability"]
ORDERS: tuple[Order, ...] = get_args(Order)


class Photos:
    """Questions about photos that satisfy some criteria, to one database. Each call sees one consistent snapshot."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def rows(self, criteria: Criteria) -> Rows:
        """Return the vector rows of the photos, ascending: (n,) int64, read-only. Byte-identical files share one.

        The same array as long as the catalogue is the same: what was made of it need not be made again.
        """
        with self._database.transaction() as connection:
            now = state(connection)
            known = connection.info.get("matching_rows")
            if known is None or known[:2] != (now, criteria):
                known = connection.info["matching_rows"] = (now, criteria, matching_rows(connection, criteria))
            rows: Rows = known[2]
            return rows

    def rows_of_species(self, species: Iterable[str]) -> Rows:
        """Return the vector rows of these labels, ascending: (n,) int64."""
        with self._database.transaction() as connection:
            return rows_of_species(connection, species)

    def species(self) -> list[str]:
        """Return the labels that photos have, or had."""
        return self._distinct(ContentTable.species)

    def cameras(self) -> list[str]:
        """Return the cameras that photos were taken with."""
        return self._distinct(ContentTable.camera)

    def holds_any(self, place: Place) -> bool:
        """Tell whether any photo lies in a folder, or ever did."""
        root, folder = place
        query = select(PhotoTable.id).join(RootTable, RootTable.id == PhotoTable.root_id)
        query = query.where(RootTable.name == root, *below(folder)).limit(1)
        with self._database.transaction() as connection:
            return connection.execute(query).first() is not None

    def without(self, what: Literal["date", "place"]) -> int:
        """Count the present photos whose date or place is not known."""
        column = ContentTable.taken_at if what == "date" else ContentTable.latitude
        query = _photos().where(column.is_(None)).with_only_columns(func.count())
        with self._database.transaction() as connection:
            return connection.execute(query).scalar_one()

    def count(self, criteria: Criteria) -> int:
        """Count the photo files."""
        with self._database.transaction() as connection:
            return connection.execute(_chosen(connection, criteria).with_only_columns(func.count())).scalar_one()

    def photos(
        self, criteria: Criteria, *, order: Order = "path", reverse: bool = False, limit: int | None = None
    ) -> Iterator[Sequence[Any]]:
        """Yield root, relative path and then the fields of ListedPhoto, one photo file after another."""
        content, photo = ContentTable, PhotoTable
        columns = (
            *(RootTable.name, photo.path, content.species, content.probability, content.taken_at, content.camera),
            *(content.latitude, content.longitude, content.width, content.height, photo.size),
        )
        with self._database.transaction() as connection:
            query = _chosen(connection, criteria).with_only_columns(*columns)
            yield from connection.execute(query.order_by(*_ordered(order, reverse)).limit(limit))

    def by_species(self, criteria: Criteria) -> Iterator[Sequence[Any]]:
        """Yield the fields of ListedSpecies by label, root and relative path in the place of the path."""
        species, taken_at = ContentTable.species, ContentTable.taken_at
        days = func.count(func.substr(type_coerce(taken_at, Text), 1, 10).distinct())
        # Beside a single max() SQLite gives the other columns of the row that it was found in.
        best = (species, func.max(ContentTable.probability), RootTable.name, PhotoTable.path)
        with self._database.transaction() as connection:
            chosen = _chosen(connection, criteria).where(species.is_not(None)).group_by(species)
            found = {row[0]: row[1:] for row in connection.execute(chosen.with_only_columns(*best))}
            numbers = (species, func.count(), days, func.min(taken_at), func.max(taken_at))
            for row in connection.execute(chosen.with_only_columns(*numbers)):
                yield *row, *found[row[0]]

    def _distinct(self, column: Any) -> list[str]:
        """The values of an indexed column, each found by one step into the index from the one before."""
        first = select(func.min(column).label("value")).where(column.is_not(None)).cte(recursive=True)
        following = select(func.min(column)).where(column > first.c.value).scalar_subquery()
        every = first.union_all(select(following).where(first.c.value.is_not(None)))
        with self._database.transaction() as connection:
            return list(connection.execute(select(every.c.value).where(every.c.value.is_not(None))).scalars())


def _photos() -> Select[*tuple[Any, ...]]:
    """A query of present photos."""
    return (
        select(PhotoTable.id)
        .join(ContentTable, ContentTable.id == PhotoTable.content_id)
        .join(RootTable, RootTable.id == PhotoTable.root_id)
        .where(PhotoTable.state == "indexed")
    )


def _chosen(connection: Connection, criteria: Criteria) -> Select[*tuple[Any, ...]]:
    """A query of the photos that satisfy the criteria."""
    if criteria == Criteria():
        return _photos()
    rows = json.dumps(matching_rows(connection, criteria).tolist())
    values = func.json_each(bindparam(None, rows)).table_valued("value")
    return _photos().where(ContentTable.vector_row.in_(select(values.c.value)), *criteria.lies())


def _ordered(order: Order, reverse: bool) -> list[ColumnElement[Any]]:
    """Dates begin with the oldest, probabilities with the highest; what is not known comes last either way."""
    path: list[ColumnElement[Any]] = [PhotoTable.root_id.asc(), PhotoTable.path.asc()]
    if order == "path":
        return [PhotoTable.root_id.desc(), PhotoTable.path.desc()] if reverse else path
    probability = ContentTable.probability
    column: Any = {"date": ContentTable.taken_at, "species": ContentTable.species}.get(order, probability)
    first = column.desc() if (order == "probability") != reverse else column.asc()
    return [first.nulls_last(), *([probability.desc()] if order == "species" else []), *path]
