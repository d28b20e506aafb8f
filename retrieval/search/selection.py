"""Which rows a search may find: those that are alive and, where a filter says so, chosen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.records import Rows

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Selection:
    """Some of the first `rows` rows. Make it once for all searches of the same rows.

    Engines may keep what they derive from a selection for as long as it lives, so selections compare by identity.
    """

    rows: int
    mask: Mask | None  # (rows,): what may be found; None for everything
    alive: int  # how many rows may be found
    filtered: bool  # a filter chose them, so they may lie anywhere

    @classmethod
    def of(cls, rows: int, dead: Rows, chosen: Rows | None = None) -> "Selection":
        """Select the first `rows` rows without the dead ones and, where some are chosen, only among these."""
        dead_inside = dead[(dead >= 0) & (dead < rows)]
        if chosen is None and not len(dead_inside):
            return cls(rows, None, rows, False)
        mask = np.ones(rows, dtype=bool) if chosen is None else row_mask(chosen, rows)
        mask[dead_inside] = False
        return cls(rows, mask, int(np.count_nonzero(mask)), chosen is not None)

    @classmethod
    def everything(cls, rows: int) -> "Selection":
        """Select all of the first `rows` rows."""
        return cls(rows, None, rows, False)

    def within(self, start: int, stop: int) -> Rows | None:
        """Return the selected rows from `start` to `stop`, ascending; None where that is all of them."""
        if self.mask is None:
            return None
        inside = self.mask[start:stop]
        return None if inside.all() else np.flatnonzero(inside) + start


def row_mask(rows: Rows, n: int) -> Mask:
    """Return (n,), set at the row numbers from 0 to n - 1 that are among `rows`; other numbers count for nothing."""
    mask = np.zeros(n, dtype=bool)
    mask[rows[(rows >= 0) & (rows < n)]] = True
    return mask
