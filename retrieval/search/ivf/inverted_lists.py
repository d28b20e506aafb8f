"""The lists of a FAISS IVF index, as numpy sees them: the rows in each, their vectors, and the order of a search."""

from collections.abc import Iterator

import faiss
import numpy as np

from retrieval.records import Rows, Vectors
from retrieval.search.ivf import training
from retrieval.search.vectors import HALF, HalfVectors


class InvertedLists:
    """The lists behind an index, which may rotate vectors before it codes them. Views last while the index does."""

    def __init__(self, index: faiss.Index) -> None:
        self._index = index
        self.faiss_lists = training.lists_of(index)
        self.coded = training.is_coded(index)  # whether vectors are lossy codes; if not, the vector file's own numbers

    @property
    def count(self) -> int:
        """How many lists there are, empty ones included."""
        return int(self.faiss_lists.nlist)

    @property
    def quantizer(self) -> faiss.Index:
        """The centres of the lists, rotated as the vectors in them are."""
        return self.faiss_lists.quantizer

    @property
    def imbalance(self) -> float:
        """How unequal the lists are: 1 if all are alike, 2 if a query looks at twice as many rows as that."""
        return float(self.faiss_lists.invlists.imbalance_factor())

    @property
    def code_bytes(self) -> int:
        """Of each vector in the lists."""
        return int(self.faiss_lists.code_size)

    def ids(self) -> Iterator[tuple[int, Rows]]:
        """Yield number and ids of each list that is not empty; views into the index."""
        lists = self.faiss_lists.invlists
        for number in range(self.count):
            size = lists.list_size(number)
            if size:
                yield number, faiss.rev_swig_ptr(lists.get_ids(number), size)

    def stored(self, number: int) -> HalfVectors:
        """Return the vectors of a list that is not coded, (size, d); a view into the index."""
        lists = self.faiss_lists.invlists
        numbers = faiss.rev_swig_ptr(lists.get_codes(number), lists.list_size(number) * lists.code_size)
        vectors: HalfVectors = numbers.view(HALF).reshape(-1, self._index.d)
        return vectors

    def list_of(self, rows: int) -> Rows:
        """Return the list of each of the rows 0 to rows - 1, (rows,); -1 for those that are in none."""
        found = np.full(rows, -1, dtype=np.int64)
        for number, ids in self.ids():
            found[ids[(ids >= 0) & (ids < rows)]] = number
        return found

    def rotated(self, vectors: Vectors) -> Vectors:
        """Return (m, d) vectors as the lists have them."""
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        if not self.coded:
            return vectors
        rotated: Vectors = self._index.chain.at(0).apply(vectors)
        return rotated

    def order(self, queries: Vectors) -> Rows:
        """Return all lists in the order in which each of (m, d) queries searches them, (m, count)."""
        order: Rows = self.quantizer.search(self.rotated(queries), self.count)[1]
        return order

    def add(self, block: Vectors, ids: Rows, numbers: Rows | None) -> None:
        """Add (m, d) contiguous vectors under these ids to lists with these numbers; None lets FAISS find the lists."""
        if numbers is None:
            self.faiss_lists.add_with_ids(training.finite(self.rotated(block)), ids)
        else:
            self.faiss_lists.add_core(len(block), *map(faiss.swig_ptr, (block, ids, numbers)))
        self._index.ntotal = self.faiss_lists.ntotal
