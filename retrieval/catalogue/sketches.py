"""Sketches: a content's local features summed up in one vector, under numbered rules."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select

from retrieval.catalogue.conditions import LIVE, has
from retrieval.catalogue.contents import Ids, ids_of
from retrieval.catalogue.database import Transactions
from retrieval.catalogue.tables import ContentTable, PreviewTable, SketchTable


class SketchVectors(NamedTuple):
    """The sketches of some contents."""

    ids: Ids
    vectors: NDArray[np.int8]  # (n, width)


class Sketches:
    """The sketches of contents; each call is one transaction. Additions need the writer's lock."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def missing(self, rules: int) -> Ids:
        """Return the live contents with a preview whose sketch is missing, or was drawn by other rules."""
        return ids_of(
            self._database,
            select(PreviewTable.content_id)
            .join(ContentTable, ContentTable.id == PreviewTable.content_id)
            .where(LIVE, ~has(SketchTable, SketchTable.rules == rules))
            .order_by(ContentTable.vector_row),
        )

    def all(self, width: int) -> SketchVectors:
        """Return the sketches of the live contents, `width` numbers each, by vector row."""
        query = (
            select(SketchTable.content_id, SketchTable.vector)
            .join(ContentTable, ContentTable.id == SketchTable.content_id)
            .where(LIVE)
            .order_by(ContentTable.vector_row)
        )
        with self._database.transaction() as connection:
            count = connection.execute(select(func.count()).select_from(SketchTable)).scalar_one()
            ids, vectors = np.empty(count, np.int64), np.empty((count, width), np.int8)
            rows = 0
            for rows, (content, vector) in enumerate(connection.execute(query), start=1):
                ids[rows - 1] = content
                vectors[rows - 1] = np.frombuffer(vector, np.int8)
        return SketchVectors(ids[:rows], vectors[:rows])

    def add(self, sketches: Mapping[int, NDArray[np.int8]], rules: int) -> None:
        """Record sketches by content id, over those that there were."""
        rows = [{"content_id": key, "rules": rules, "vector": vector.tobytes()} for key, vector in sketches.items()]
        if rows:
            with self._database.transaction() as connection:
                connection.execute(self._database.dialect.add_or_replace(SketchTable), rows)
