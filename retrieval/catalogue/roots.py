"""Roots: the archive's folders by name; where they are mounted stands in index.json."""

from sqlalchemy import Connection, insert, select

from retrieval.catalogue.tables import RootTable


def root_id(connection: Connection, name: str) -> int:
    """Return the id of a root, which is added if it is new."""
    found = connection.execute(select(RootTable.id).where(RootTable.name == name)).scalar_one_or_none()
    if found is None:
        return connection.execute(insert(RootTable).values(name=name).returning(RootTable.id)).scalar_one()
    return found
