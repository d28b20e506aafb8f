"""Matches: pairs of contents that show one picture or scene, and which contents have been compared with all others.

Both are derived under numbered rules; other rules begin again.
"""

from collections.abc import Collection, Iterable
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, case, delete, exists, false, select, true, update

from retrieval.catalogue.conditions import LIVE, has
from retrieval.catalogue.contents import Ids, ids_of
from retrieval.catalogue.database import Transactions
from retrieval.catalogue.dialect import Dialect
from retrieval.catalogue.tables import ComparedTable, ContentTable, IgnoredPairTable, MatchTable, SketchTable
from retrieval.records import Box

Pairs = set[tuple[int, int]]  # of contents, in both orders

ONE_SHOT = ("same-pixels", "near", "altered", "raw+jpeg")  # the kinds that say that two contents are of one shot


class Match(NamedTuple):
    """Two contents that show the same picture or scene, and what each of the two has alone."""

    first: int  # the lower id
    second: int
    kind: str  # same-pixels, near, altered, overlap, same-scene, raw+jpeg
    cosine: float
    score: float  # 0 to 1
    reason: str
    first_lacks: str  # what would be lost if only the first stayed: "colour", "2 pages"; empty if nothing
    second_lacks: str
    places: tuple[Box, ...]  # where the two differ, in the frame of the first


class Matches:
    """The matches of contents; each call is one transaction. Changes need the writer's lock."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def all(self) -> list[Match]:
        """Return the matches between live contents that nobody said to ignore, by ids."""
        table = MatchTable
        first, second = ContentTable.__table__.alias("a"), ContentTable.__table__.alias("b")
        in_order = first.c.hash < second.c.hash
        ignored = exists().where(
            IgnoredPairTable.first == case((in_order, first.c.hash), else_=second.c.hash),
            IgnoredPairTable.second == case((in_order, second.c.hash), else_=first.c.hash),
        )
        pair = (table.first_id, table.second_id, table.kind, table.cosine, table.score, table.reason)
        query = (
            select(*pair, table.first_lacks, table.second_lacks, table.places)
            .join(first, first.c.id == table.first_id)
            .join(second, second.c.id == table.second_id)
            .where(first.c.live == true(), second.c.live == true(), ~ignored)
            .order_by(table.first_id, table.second_id)
        )
        with self._database.transaction() as connection:
            return [Match(*row) for row in connection.execute(query)]

    def among(self, contents: Collection[int]) -> Pairs:
        """Return which of some contents match each other as one shot."""
        dialect, wanted = self._database.dialect, set(contents)
        with self._database.transaction() as connection:
            found = connection.execute(_seconds_of(dialect), {"ids": dialect.ids(wanted)}).all()
        pairs = [(first, second) for first, second in found if second in wanted]
        return {pair for first, second in pairs for pair in ((first, second), (second, first))}

    def uncompared(self, rules: int) -> Ids:
        """Return the live contents with a sketch that were not compared yet with all others, by these rules."""
        return ids_of(
            self._database,
            select(SketchTable.content_id)
            .join(ContentTable, ContentTable.id == SketchTable.content_id)
            .where(LIVE, ~has(ComparedTable, ComparedTable.rules == rules))
            .order_by(ContentTable.vector_row),
        )

    def incomplete(self) -> Ids:
        """Return the contents that were compared, but not yet within the family that this joined; ascending."""
        table = ComparedTable
        query = select(table.content_id).where(table.family_complete == false()).order_by(table.content_id)
        return ids_of(self._database, query)

    def add_compared(self, contents: Iterable[int], found: Collection[Match], rules: int) -> None:
        """Record what comparing some contents with all others found, nothing included; see `incomplete`."""
        compared = [{"content_id": content, "rules": rules, "family_complete": False} for content in contents]
        with self._database.transaction() as connection:
            self._add(connection, found)
            if compared:
                connection.execute(self._database.dialect.add_or_replace(ComparedTable), compared)

    def add(self, found: Collection[Match]) -> None:
        """Record matches, over those between the same contents."""
        with self._database.transaction() as connection:
            self._add(connection, found)

    def complete(self) -> None:
        """Record that the families of all compared contents are complete."""
        with self._database.transaction() as connection:
            table = ComparedTable
            connection.execute(update(table).where(table.family_complete == false()).values(family_complete=True))

    def forget_outdated(self, rules: int) -> None:
        """Forget that absent contents were compared, and everything that other rules found.

        What is added while a content is absent is not compared with it.
        """
        absent = select(ContentTable.id).where(ContentTable.live == false())
        with self._database.transaction() as connection:
            connection.execute(delete(ComparedTable).where(ComparedTable.content_id.in_(absent)))
            if connection.execute(select(exists().where(ComparedTable.rules != rules))).scalar_one():
                for table in (ComparedTable, MatchTable, SketchTable):
                    connection.execute(delete(table))

    def _add(self, connection: Connection, found: Collection[Match]) -> None:
        rows = [
            {
                "first_id": one.first,
                "second_id": one.second,
                "kind": one.kind,
                "cosine": one.cosine,
                "score": one.score,
                "reason": one.reason,
                "first_lacks": one.first_lacks,
                "second_lacks": one.second_lacks,
                "places": one.places,
            }
            for one in found
        ]
        if rows:
            connection.execute(self._database.dialect.add_or_replace(MatchTable), rows)


@cache
def _seconds_of(dialect: Dialect) -> Select[*tuple[Any, ...]]:
    table = MatchTable
    among = dialect.any_of(table.first_id, "ids")
    return select(table.first_id, table.second_id).where(among, table.kind.in_(ONE_SHOT))
