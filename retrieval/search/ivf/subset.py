"""What a selection of rows means inside one IVF index: which lists hold them, how many must be searched.

Rows that a filter chose may lie far from the query, and its nearest lists may hold none of them. So lists without
any are passed over, and as many more are searched as it takes to see enough rows that count.
"""

import math

import faiss
import numpy as np

from retrieval.records import Rows, Vectors
from retrieval.search.ivf.flat import selector
from retrieval.search.selection import Mask


class Subset:
    """The rows of an index at which a mask is set."""

    def __init__(self, mask: Mask, list_of: Rows, lists: int) -> None:
        """`list_of` has the list of each row that the index covers, -1 for those that it lacks."""
        self._mask = mask[: len(list_of)]
        self.rows = selector(self._mask)
        chosen = list_of[self._mask]
        self._counts = np.bincount(chosen[chosen >= 0], minlength=lists)
        self._usable = self._counts > 0
        self.usable = int(np.count_nonzero(self._usable))
        self.size = int(self._counts.sum())
        self.lists = faiss.SearchParameters(sel=selector(self._usable))

    def params(self, nprobe: int) -> faiss.SearchParametersIVF:
        """Return the parameters for a search of these rows; `nprobe` is at most `usable`."""
        return faiss.SearchParametersIVF(nprobe=nprobe, sel=self.rows, quantizer_params=self.lists)

    def nprobe(self, quantizer: faiss.Index, queries: Vectors, wanted: int) -> int:
        """Return how many of the usable lists, nearest first, it takes until every query has seen `wanted` rows."""
        width = min(self.usable, 2 * math.ceil(wanted * self.usable / max(self.size, 1)) + 8)
        while True:
            order = quantizer.search(queries, width, params=self.lists)[1]
            seen = np.cumsum(self._counts[np.maximum(order, 0)], axis=1)
            if width == self.usable or (seen[:, -1] >= wanted).all():
                return min(int((seen < wanted).sum(axis=1).max()) + 1, self.usable)
            width = min(4 * width, self.usable)
