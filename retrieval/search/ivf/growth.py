"""When an IVF index is left alone, extended or rebuilt.

The tail, the rows behind it, is searched exactly: that costs each query time by its length. Adding the tail to the
index rewrites the file, and a rebuild trains the lists as well, which pays only when they fit the vectors badly.
"""

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from retrieval.records import Rows
from retrieval.search.ivf.measurement import Measurement
from retrieval.search.ivf.settings import IvfSettings

if TYPE_CHECKING:  # loads FAISS
    from retrieval.search.ivf.index import IvfIndex

Action = Literal["nothing", "save", "measure", "add", "rebuild"]

GROWTH = 0.1  # how much a small index's tail may grow: a share of the trained rows
RETRAIN = 4  # times the trained rows: a new index would have twice as many lists
UNBALANCED = 1.5  # times the imbalance that the lists had when they were made
DEAD = 0.3  # share of the rows in the index that no photo has any longer: scanned for nothing
STALE = 1.05  # times the measured rows: what was measured then may not hold


def due(ivf: "IvfIndex", rows: int, dead: Rows, settings: IvfSettings) -> Action:
    """Return what to do about an index so that it serves the first `rows` rows well, of which some are dead."""
    inside = dead[dead < ivf.rows]
    if len(inside) and needs_rebuild(ivf.size, int(np.count_nonzero(ivf.list_of()[inside] >= 0))):
        return "rebuild"
    action = tail_action(ivf.rows, ivf.trained_rows, rows, settings)
    if action != "nothing":
        return action
    if ivf.measurement is None:
        return "measure"
    return "nothing" if ivf.measurement.checksums or not ivf.path else "save"


def needs_rebuild(size: int, dead: int) -> bool:
    """Tell whether so many of the `size` vectors in an index are dead that searching them costs too much."""
    return dead > DEAD * size


def tail_action(indexed: int, trained_rows: int, rows: int, settings: IvfSettings) -> Action:
    """Return what to do about the rows from `indexed` to `rows`, in an index trained on `trained_rows`."""
    if rows - indexed <= tail_limit(trained_rows, rows, settings):
        return "nothing"
    return "rebuild" if rows <= settings.small_rows or rows >= RETRAIN * trained_rows else "add"


def is_unbalanced(imbalance: float, measured: Measurement | None) -> bool:
    """Tell whether lists have become so unequal that new ones would serve better."""
    return measured is not None and imbalance > UNBALANCED * measured.imbalance


def is_stale(measured_rows: int, rows: int) -> bool:
    """Tell whether there are so many more rows than when an index was measured that it has to be measured again."""
    return rows > STALE * measured_rows


def tail_limit(trained_rows: int, rows: int, settings: IvfSettings) -> float:
    """Return how many rows may stay outside the index."""
    if rows <= settings.small_rows:
        return GROWTH * trained_rows
    return max(settings.least_tail, settings.tail_per_root * math.isqrt(rows))
