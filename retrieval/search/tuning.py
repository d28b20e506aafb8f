"""Chooses how to search an IVF index: how many lists to look into, how many rows to score again.

Both follow from one search for each number of lists: at which place each exact neighbour comes back tells the recall
of every shortlist at once. What is chosen is the cheapest that assuredly reaches the target, by the bytes that it
makes the processor read: that does not depend on what else the machine is doing.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from retrieval.records import Rows, Vectors
from retrieval.search import exact
from retrieval.search.measurement import LeaveOneOut, Measurement, Point, Recalls, assured, smallest
from retrieval.search.wishes import Wishes

if TYPE_CHECKING:  # which uses this module
    from retrieval.search.ivf import IvfIndex

EXACT_BELOW = 1000  # rows: looking into every list costs nothing there
RUNGS = (1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)  # shortlists, in multiples of k
WIDER = 1.5  # from one number of lists tried to the next
RECALLS = (0.9, 0.95, 0.98, 0.99, 0.995, 0.999)  # of the curve
RERANK_COST = 2.0  # a byte at a random place against one of a list that is read from end to end
QUERIES_AT_ONCE = 100  # where every list is ranked for each of them
TIMED = 30  # single queries for each point of the curve

Shortlist = Callable[[Vectors, int, int], Rows]  # queries, length, nprobe -> rows, best first


def tune(ivf: "IvfIndex", judge: LeaveOneOut, target_recall: float) -> tuple[Point, list[Point]]:
    """The cheapest way to search that assuredly reaches the target, and the cheapest ways to rising recalls."""
    if ivf.size < EXACT_BELOW:
        everything = Point(ivf.lists, 0 if ivf.mapped else ivf.size, 1.0, 0.0)
        return everything, [everything]
    row_bytes = judge.vectors.shape[1] * judge.vectors.itemsize
    of_list = ivf.size / ivf.lists * ivf.imbalance * ivf.code_bytes
    costs = Costs(of_list, 0 if ivf.mapped else row_bytes)
    return Tuner(judge, _lists_needed(ivf, judge), ivf.lists, costs, ivf.by_codes).points(target_recall)


@dataclass(frozen=True, slots=True)
class Costs:
    """Bytes that a search reads."""

    of_list: float
    of_row: float  # scored again; 0 where scores are exact

    def of(self, nprobe: int, shortlist: int) -> float:
        """Of a query."""
        return nprobe * self.of_list + RERANK_COST * shortlist * self.of_row


class Tuner:
    """Tries ways of searching against a judge that knows the truth."""

    def __init__(self, judge: LeaveOneOut, needed: Rows, lists: int, costs: Costs, shortlist: Shortlist) -> None:
        """`needed` (sample, k) is how many lists it takes to see each exact neighbour, 0 for none."""
        self._judge = judge
        self._needed = needed
        self._lists = lists
        self._costs = costs
        self._shortlist = shortlist
        self._tried: list[tuple[float, float, Point]] = []  # cost, assured recall

    def points(self, target_recall: float) -> tuple[Point, list[Point]]:
        """The cheapest way to the target, and the cheapest ways to rising recalls; `ms` is not yet known."""
        for nprobe in self._nprobes(target_recall):
            for shortlist, recalls in self._recalls(nprobe):
                point = Point(nprobe, shortlist, float(recalls.mean()), 0.0)
                self._tried.append((self._costs.of(nprobe, shortlist), assured(recalls), point))
        chosen = self._cheapest(target_recall) or max(self._tried, key=lambda tried: (tried[1], tried[0]))[2]
        curve = {self._cheapest(recall) or chosen for recall in RECALLS}
        return chosen, sorted({*curve, chosen}, key=lambda point: point.recall)

    def _cheapest(self, recall: float) -> Point | None:
        enough = [(cost, point.nprobe, point) for cost, proven, point in self._tried if proven >= recall]
        return min(enough, key=lambda tried: tried[:2])[2] if enough else None

    def _nprobes(self, target_recall: float) -> list[int]:
        """From what would do for the lowest recall to what surely does for the highest, if scores were exact."""
        lowest = smallest(self._seen, self._lists, min(RECALLS[0], target_recall))
        exactly = smallest(self._seen, self._lists, target_recall)
        most = min(self._lists, int(1.5 * smallest(self._seen, self._lists, max(RECALLS[-2], target_recall))))
        if not self._costs.of_row:
            wanted = {smallest(self._seen, self._lists, recall) for recall in RECALLS}
            return sorted({exactly, *wanted})
        numbers = {exactly, most}
        number = float(lowest)
        while number < most:
            numbers.add(round(number))
            number = max(number * WIDER, number + 1)
        return sorted(numbers)

    def _seen(self, nprobe: int) -> Recalls:
        recalls: Recalls = (self._needed <= nprobe).mean(axis=1)
        return recalls

    def _recalls(self, nprobe: int) -> Iterator[tuple[int, Recalls]]:
        """The recall of each query, for every length of the shortlist."""
        if not self._costs.of_row:
            yield 0, self._seen(nprobe)
            return
        judge = self._judge
        lengths = [int(rung * judge.k) + 1 for rung in RUNGS]  # one more: the query finds itself
        found = self._shortlist(judge.queries, lengths[-1], nprobe)
        place = _places(found, judge.exact[1])
        missing = judge.exact[1] < 0
        for length in lengths:
            yield length, ((place < length) | missing).mean(axis=1)


def describe(ivf: "IvfIndex", chosen: Point, wishes: Wishes, sample: int) -> Measurement:
    """What there is to keep of an index that searches as chosen; the curve and the file's digest come later."""
    return Measurement(
        rows=ivf.rows,
        size=ivf.size,
        trained_rows=ivf.trained_rows,
        measured_rows=ivf.rows,
        lists=ivf.lists,
        nprobe=chosen.nprobe,
        shortlist=chosen.shortlist,
        recall=chosen.recall,
        target_recall=wishes.target_recall,
        k=wishes.k,
        sample=sample,
        imbalance=round(ivf.imbalance, 4),
        code=ivf.code,
        memory_bytes=ivf.memory_bytes,
        wished_memory=wishes.memory_bytes,
        sha256="",
        curve=(),
    )


def _lists_needed(ivf: "IvfIndex", judge: LeaveOneOut) -> Rows:
    """How many lists must be looked into until each exact neighbour is seen: (sample, k), 0 for none.

    A neighbour is seen once its list is looked into. So this tells the recall of exact scores at every nprobe
    without searching once for each.
    """
    list_of = ivf.list_of()
    needed = np.zeros(judge.exact[1].shape, dtype=np.int64)
    for start in range(0, len(judge.queries), QUERIES_AT_ONCE):
        some = slice(start, start + QUERIES_AT_ONCE)
        place = np.argsort(ivf.nearest_lists(judge.queries[some]), axis=1)  # of each list in the order of the query
        needed[some] = np.take_along_axis(place, list_of[judge.exact[1][some]], axis=1) + 1
    return np.where(judge.exact[1] < 0, 0, needed)


def timed(points: list[Point], search: Callable[[Vectors, Point], exact.Found], queries: Vectors) -> tuple[Point, ...]:
    """The points with the time that a single query takes."""

    def ms(point: Point) -> float:
        elapsed = []
        for query in queries[:TIMED]:
            begun = time.perf_counter()
            search(query[None], point)
            elapsed.append(time.perf_counter() - begun)
        return round(1000 * float(np.median(elapsed)), 3)

    return tuple(replace(point, ms=ms(point)) for point in points)


def _places(found: Rows, wanted: Rows) -> Rows:
    """Where in its line of `found` (m, length) each of `wanted` (m, k) stands; the length where it does not."""
    places = np.full(wanted.shape, found.shape[1], dtype=np.int64)
    for line, (rows, sought) in enumerate(zip(found, wanted, strict=True)):
        order = np.argsort(sought)
        at = np.minimum(np.searchsorted(sought, rows, sorter=order), len(sought) - 1)
        hits = np.flatnonzero(sought[order[at]] == rows)
        places[line, order[at[hits]]] = hits
    return places
