"""Searches the selected rows of an IVF index, in as many lists as it takes to keep the recall that was measured."""

import math

import numpy as np

from retrieval.records import Rows, Vectors
from retrieval.search import exact
from retrieval.search.ivf.index import IvfIndex
from retrieval.search.ivf.subset import Subset
from retrieval.search.protocol import NO_ROWS, ScoredRows
from retrieval.search.selection import Selection
from retrieval.search.targets import K
from retrieval.search.vectors import HalfVectors


def search(ivf: IvfIndex, vectors: HalfVectors, queries: Vectors, k: int, selection: Selection) -> ScoredRows:
    """Find the k nearest selected rows of the index to each of (m, d) queries; fewer only where there are fewer.

    `vectors` are those of the file, at least the rows covered. Raises IndexFormatError for an index whose file is
    damaged.
    """
    subset = ivf.subset(selection)
    if subset and not subset.size:
        return exact.none_found(len(queries), k)
    nprobe = probes_for(ivf, k)
    if subset:
        nprobe = subset_probes(ivf, queries, subset, nprobe, filtered=selection.filtered)
    scores, rows = ivf.search(vectors, queries, k, subset, nprobe=nprobe)
    there = subset.size if subset else ivf.size
    short = np.flatnonzero(rows[:, min(k, there) - 1] < 0)
    if len(short):  # the lists searched hold fewer than k rows, though there are more
        scores[short], rows[short] = ivf.search(vectors, queries[short], k, subset, nprobe=ivf.lists)
    return scores, rows


def left_out(ivf: IvfIndex, selection: Selection) -> Rows:
    """Return the selected rows that were dead when the index was made, and have come back, ascending."""
    if ivf.size == ivf.rows:
        return NO_ROWS
    mask = ivf.list_of() < 0
    if selection.mask is not None:
        mask &= selection.mask[: ivf.rows]
    return np.flatnonzero(mask)


def probes_for(ivf: IvfIndex, k: int) -> int:
    """Return how many lists to search so that recall stays near what was measured with fewer neighbours.

    On clustered vectors 5 times k took about 2 times the lists for the same recall, and 25 times k about 4 times.
    """
    measured_k = ivf.measurement.k if ivf.measurement else K
    return math.ceil(ivf.nprobe * math.sqrt(max(1.0, k / measured_k)))


def subset_probes(ivf: IvfIndex, queries: Vectors, subset: Subset, nprobe: int, *, filtered: bool) -> int:
    """Return how many lists of a subset to search, so that recall stays what it is at `nprobe` among all rows.

    Of a share s of all rows, the k nearest are among the k / s nearest of all: as far away as those are, more
    lists hold them. On clustered vectors the rows to be seen grew with about the root of the share. Where a
    filter chose the rows, all may be far away, and then it is hard to tell lists apart by their centres.
    """
    usual = nprobe / ivf.lists * ivf.size * ivf.inverted.imbalance
    wanted = round(usual * math.sqrt(subset.size / max(ivf.size, 1)))
    wanted = max(wanted, ivf.settings.filtered_rows) if filtered else wanted
    return subset.nprobe(ivf.inverted.quantizer, ivf.inverted.rotated(queries), min(wanted, subset.size))
