"""What a person said are no duplicates: pairs of contents by their SHA-256, whatever becomes of files and rows."""

from collections.abc import Iterable

from sqlalchemy import and_, delete, func, insert, select

from retrieval.catalogue.database import Database
from retrieval.catalogue.tables import IgnoredPairTable


class IgnoredPairs:
    """The pairs of one catalogue."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def deny(self, pairs: Iterable[tuple[bytes, bytes]]) -> int:
        """Remember that contents, by SHA-256, are different; return how many pairs are new."""
        rows = [{"first": min(pair), "second": max(pair)} for pair in pairs]
        with self._database.transaction() as connection:
            before = connection.execute(select(func.count()).select_from(IgnoredPairTable)).scalar_one()
            if rows:
                connection.execute(insert(IgnoredPairTable).prefix_with("OR IGNORE"), rows)
            return connection.execute(select(func.count()).select_from(IgnoredPairTable)).scalar_one() - before

    def allow(self, pairs: Iterable[tuple[bytes, bytes]]) -> int:
        """Take back what `deny` remembered; return how many pairs there were."""
        table, taken = IgnoredPairTable, 0
        with self._database.transaction() as connection:
            for pair in pairs:
                chosen = and_(table.first == min(pair), table.second == max(pair))
                taken += connection.execute(delete(table).where(chosen)).rowcount
        return taken

    def denied(self) -> list[tuple[bytes, bytes]]:
        """Return the pairs that were denied, by SHA-256."""
        query = select(IgnoredPairTable.first, IgnoredPairTable.second).order_by(IgnoredPairTable.first)
        with self._database.transaction() as connection:
            return [(row.first, row.second) for row in connection.execute(query)]
