"""What a person said are not duplicates: pairs of contents by their SHA-256, whatever becomes of files and rows."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import and_, delete, func, select

from retrieval.catalogue.database import Transactions
from retrieval.catalogue.matches import Pairs
from retrieval.catalogue.tables import IgnoredPairTable


class IgnoredPair(NamedTuple):
    """Two contents by SHA-256, the lower one first."""

    first: bytes
    second: bytes

    @classmethod
    def of(cls, one: bytes, other: bytes) -> "IgnoredPair":
        """Put two hashes in order."""
        return cls(min(one, other), max(one, other))


class IgnoredPairs:
    """The pairs of one catalogue; each call is one transaction. Changes need the writer's lock."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def add(self, pairs: Iterable[IgnoredPair]) -> int:
        """Remember pairs; return how many of them are new."""
        rows = [pair._asdict() for pair in pairs]
        count = select(func.count()).select_from(IgnoredPairTable)
        with self._database.transaction() as connection:
            before = connection.execute(count).scalar_one()
            if rows:
                connection.execute(self._database.dialect.add_if_new(IgnoredPairTable), rows)
            return connection.execute(count).scalar_one() - before

    def remove(self, pairs: Iterable[IgnoredPair]) -> int:
        """Forget pairs; return how many of them there were."""
        table, removed = IgnoredPairTable, 0
        with self._database.transaction() as connection:
            for pair in pairs:
                chosen = and_(table.first == pair.first, table.second == pair.second)
                removed += connection.execute(delete(table).where(chosen)).rowcount
        return removed

    def all(self) -> list[IgnoredPair]:
        """Return all pairs, in order."""
        table = IgnoredPairTable
        query = select(table.first, table.second).order_by(table.first, table.second)
        with self._database.transaction() as connection:
            return [IgnoredPair(*row) for row in connection.execute(query)]

    def among(self, contents: Mapping[bytes, int]) -> Pairs:
        """Return which of some contents, ids by SHA-256, a person said are not duplicates."""
        pairs = [pair for pair in self.all() if pair.first in contents and pair.second in contents]
        found = [(contents[pair.first], contents[pair.second]) for pair in pairs]
        return {pair for first, second in found for pair in ((first, second), (second, first))}
