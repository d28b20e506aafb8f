"""When the IVF index is left alone, added to, or made anew.

The tail, the rows behind it, is searched exactly: that costs each query time by its length. Adding the tail rewrites
the file, and making anew trains the lists as well, which pays only when they fit the vectors badly.
"""

import math
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # loads FAISS
    from retrieval.search.ivf import IvfIndex

Step = Literal["nothing", "measure", "add", "rebuild"]

SMALL = 10_000  # rows: up to here making the index anew takes about a second
GROWTH = 0.1  # how much a small index's tail may grow: a share of the trained rows
LEAST_TAIL = 2_000  # rows of a large index's tail, which exact search passes in a fraction of a millisecond ...
TAIL_PER_ROOT = 10  # ... or 10 sqrt(n): 10,000 rows at a million, half a millisecond
RETRAIN = 4  # times the trained rows: a new index would have twice as many lists
UNBALANCED = 1.5  # times the imbalance that the lists had when they were made
DEAD = 0.3  # share of the rows in the index that no photo has any longer: scanned for nothing
STALE = 1.05  # times the measured rows: what was measured then may not hold


def step(ivf: "IvfIndex", rows: int, dead: int) -> Step:
    """What is due for an index when `rows` rows are committed, `dead` of those in it being dead."""
    if dead > DEAD * ivf.size:
        return "rebuild"
    if rows - ivf.rows <= tail_limit(ivf.trained_rows, rows):
        return "nothing" if ivf.measurement else "measure"
    if rows <= SMALL or rows >= RETRAIN * ivf.trained_rows:
        return "rebuild"
    measured = ivf.measurement
    return "rebuild" if measured and ivf.imbalance > UNBALANCED * measured.imbalance else "add"


def is_stale(measured_rows: int, rows: int) -> bool:
    """Whether there are so many more rows than when an index was measured that it has to be done again."""
    return rows > STALE * measured_rows


def tail_limit(trained_rows: int, rows: int) -> float:
    """How many rows may stay outside the IVF."""
    if rows <= SMALL:
        return GROWTH * trained_rows
    return max(LEAST_TAIL, TAIL_PER_ROOT * math.isqrt(rows))
