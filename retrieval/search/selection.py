"""Which rows a search may find: those that are alive and, where a filter says so, chosen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.records import Rows
from retrieval.search.exact import distinct

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Some of the first `rows` rows. Made once, for as many searches as are asked of the same rows."""

    rows: int
    mask: Mask | None  # (rows,): what may be found; None for everything
    alive: int  # how many that are
    filtered: bool  # a filter chose them, so they may lie anywhere

    @classmethod
    def of(cls, rows: int, dead: Rows, chosen: Rows | None = None) -> "Selection":
        """All of the first `rows` rows that are not dead and, where some are chosen, among these."""
        dead = distinct(dead, rows)
        if chosen is None and not len(dead):
            return cls(rows, None, rows, False)
        if chosen is None:
            mask = np.ones(rows, dtype=bool)
        else:
            mask = np.zeros(rows, dtype=bool)
            mask[chosen[(chosen >= 0) & (chosen < rows)]] = True
        mask[dead] = False
        return cls(rows, mask, int(np.count_nonzero(mask)), chosen is not None)

    def within(self, start: int, stop: int) -> Rows | None:
        """The rows from `start` to `stop` that may be found; None where that is all of them."""
        if self.mask is None:
            return None
        inside = self.mask[start:stop]
        return None if inside.all() else np.flatnonzero(inside) + start
