"""Checks the lists of a mapped IVF file against its checksums, when a search first reads them."""

import numpy as np

from retrieval.records import Rows, Vectors
from retrieval.search.ivf.checksums import CheckedFile
from retrieval.search.ivf.inverted_lists import InvertedLists
from retrieval.search.ivf.subset import Subset
from retrieval.search.ivf.training import ID_BYTES
from retrieval.search.selection import row_mask


class ListChecks:
    """The lists of one file, while not all of them have been checked. Any number of threads may check."""

    def __init__(self, file: CheckedFile, lists: InvertedLists) -> None:
        """The lists stand one behind another at the end of the file, each with its vectors and then its ids."""
        self._file = file
        self._lists = lists
        self._offsets: Rows | None = None

    @property
    def done(self) -> bool:
        """Whether all of the file has been checked."""
        return self._file.done

    def check_all(self) -> None:
        """Raise IndexFormatError unless all of the file is as it was written."""
        self._file.check_first(self._file.size)

    def check_searched(self, queries: Vectors, nprobe: int, subset: Subset | None, *, ahead: int) -> None:
        """Raise IndexFormatError unless the lists that a search of (m, d) queries reads are as they were written.

        Also checks `ahead` blocks of the file for later searches.
        """
        order = self._lists.quantizer.search(queries, nprobe, params=subset.lists if subset else None)[1]
        numbers = np.flatnonzero(row_mask(order, self._lists.count))
        offsets = self._list_offsets()
        self._file.check(offsets[numbers], offsets[numbers + 1], ahead=ahead)

    def _list_offsets(self) -> Rows:
        """Return where each list begins in the file, and where the last one ends: (lists + 1,)."""
        if self._offsets is None:
            lists = self._lists.faiss_lists.invlists
            sizes = [lists.list_size(number) for number in range(self._lists.count)]
            self._offsets = self._file.eager + np.cumsum([0, *sizes]) * (self._lists.code_bytes + ID_BYTES)
        return self._offsets
