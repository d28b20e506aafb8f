"""Chooses how to search an IVF index: how many lists to search, how many rows to score again.

Both follow from one search for each number of lists: at which place each exact neighbour comes back tells the recall
of every shortlist at once. What is chosen is the cheapest that provably reaches the target, by the bytes that it
makes the processor read: that does not depend on what else the machine is doing.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from retrieval.records import Rows, Vectors
from retrieval.search.ivf.index import IvfIndex
from retrieval.search.ivf.measurement import IvfPoint, Measurement
from retrieval.search.protocol import ScoredRows
from retrieval.search.recall import SAMPLE, LeaveOneOut, Recalls, proven_recall, smallest_reaching
from retrieval.search.targets import Targets
from retrieval.search.vectors import HalfVectors

EXACT_BELOW = 1000  # rows: looking into every list costs nothing there
RUNGS = (1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)  # shortlists, in multiples of k
WIDER = 1.5  # from one number of lists tried to the next
RECALLS = (0.9, 0.95, 0.98, 0.99, 0.995, 0.999)  # of the curve
RERANK_COST = 2.0  # a byte at a random place against one of a list that is read from end to end
QUERIES_AT_ONCE = 100  # where every list is ranked for each of them
TIMED = 30  # single queries for each point of the curve

Shortlist = Callable[[Vectors, int, int], Rows]  # queries, length, nprobe -> rows, best first


def tune(ivf: IvfIndex, vectors: HalfVectors, targets: Targets, *, sample: int = SAMPLE, seed: int = 0) -> Measurement:
    """Choose the cheapest search that provably reaches the target, and have the index search so; return what it gives.

    `vectors` are at least the rows covered. Below 1,000 rows every list is searched. For what proves a recall see
    `recall.proven_recall`.
    """
    covered = vectors[: ivf.rows]
    present = None if ivf.size == ivf.rows else np.flatnonzero(ivf.list_of() >= 0)
    judge = LeaveOneOut(covered, targets.k, sample, seed, alive=present)
    chosen, curve = _choose(ivf, judge, targets.recall)
    ivf.nprobe = chosen.nprobe
    measured = ivf.measurement = _measurement(ivf, chosen, targets, len(judge.rows))  # from here on it searches so
    measured = replace(measured, recall=float(recall(ivf, covered, judge).mean()))

    def search(query: Vectors, point: IvfPoint) -> ScoredRows:
        return ivf.search(covered, query, targets.k, nprobe=point.nprobe, shortlist=point.shortlist)

    ivf.measurement = replace(measured, curve=timed(curve, search, judge.queries))
    return ivf.measurement


def carry_over(ivf: IvfIndex, previous: Measurement) -> Measurement:
    """Take over what was measured when an index had fewer rows."""
    ivf.measurement = replace(
        previous, rows=ivf.rows, size=ivf.size, memory_bytes=ivf.memory_bytes, sha256="", checksums=""
    )
    return ivf.measurement


def recall(ivf: IvfIndex, vectors: HalfVectors, judge: LeaveOneOut, *, nprobe: int | None = None) -> Recalls:
    """Measure the recall of an index for each query of a judge."""
    return judge.recall(lambda queries, k: ivf.search(vectors, queries, k, nprobe=nprobe))


def _choose(ivf: IvfIndex, judge: LeaveOneOut, target_recall: float) -> tuple[IvfPoint, list[IvfPoint]]:
    """Return the cheapest way to the target, and the cheapest ways to rising recalls; `ms` is not yet known."""
    if ivf.size < EXACT_BELOW:
        everything = IvfPoint(ivf.lists, ivf.size if ivf.coded else 0, 1.0, 0.0)
        return everything, [everything]
    row_bytes = judge.vectors.shape[1] * judge.vectors.itemsize
    of_list = ivf.size / ivf.lists * ivf.inverted.imbalance * ivf.inverted.code_bytes
    costs = Costs(of_list, row_bytes if ivf.coded else 0)
    return Tuner(judge, _lists_needed(ivf, judge), ivf.lists, costs, ivf.search_codes).points(target_recall)


@dataclass(frozen=True, slots=True)
class Costs:
    """Bytes that a search reads."""

    of_list: float
    of_row: float  # scored again; 0 where scores are exact

    def of(self, nprobe: int, shortlist: int) -> float:
        """Return the bytes that a query reads."""
        return nprobe * self.of_list + RERANK_COST * shortlist * self.of_row


class Tuner:
    """Tries ways of searching, and compares them with the exact neighbours."""

    def __init__(self, judge: LeaveOneOut, needed: Rows, lists: int, costs: Costs, shortlist: Shortlist) -> None:
        """`needed` (sample, k) is how many lists it takes to see each exact neighbour, 0 for none."""
        self._judge = judge
        self._needed = needed
        self._lists = lists
        self._costs = costs
        self._shortlist = shortlist
        self._tried: list[tuple[float, float, IvfPoint]] = []  # cost, proven recall

    def points(self, target_recall: float) -> tuple[IvfPoint, list[IvfPoint]]:
        """Return the cheapest way to the target, and the cheapest ways to rising recalls; `ms` is not yet known."""
        for nprobe in self._nprobes(target_recall):
            for shortlist, recalls in self._recalls(nprobe):
                point = IvfPoint(nprobe, shortlist, float(recalls.mean()), 0.0)
                self._tried.append((self._costs.of(nprobe, shortlist), proven_recall(recalls), point))
        chosen = self._cheapest(target_recall) or max(self._tried, key=lambda tried: (tried[1], tried[0]))[2]
        curve = {self._cheapest(recall) or chosen for recall in RECALLS}
        return chosen, sorted({*curve, chosen}, key=lambda point: point.recall)

    def _cheapest(self, recall: float) -> IvfPoint | None:
        enough = [(cost, point.nprobe, point) for cost, proven, point in self._tried if proven >= recall]
        return min(enough, key=lambda tried: tried[:2])[2] if enough else None

    def _nprobes(self, target_recall: float) -> list[int]:
        """Return the numbers to try, from what suffices for the lowest recall to what surely does for the highest."""
        lowest = smallest_reaching(self._seen, self._lists, min(RECALLS[0], target_recall))
        exactly = smallest_reaching(self._seen, self._lists, target_recall)
        most = min(self._lists, int(1.5 * smallest_reaching(self._seen, self._lists, max(RECALLS[-2], target_recall))))
        if not self._costs.of_row:
            wanted = {smallest_reaching(self._seen, self._lists, recall) for recall in RECALLS}
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
        """Yield each length of the shortlist with the recall of each query."""
        if not self._costs.of_row:
            yield 0, self._seen(nprobe)
            return
        judge = self._judge
        lengths = [int(rung * judge.k) + 1 for rung in RUNGS]  # one more: the query finds itself
        found = self._shortlist(judge.queries, lengths[-1], nprobe)
        place = _places(found, judge.truth[1])
        missing = judge.truth[1] < 0
        for length in lengths:
            yield length, ((place < length) | missing).mean(axis=1)


def _measurement(ivf: IvfIndex, chosen: IvfPoint, targets: Targets, sample: int) -> Measurement:
    """Describe an index that searches as chosen; the curve and the digests come later."""
    return Measurement(
        rows=ivf.rows,
        size=ivf.size,
        trained_rows=ivf.trained_rows,
        measured_rows=ivf.rows,
        lists=ivf.lists,
        nprobe=chosen.nprobe,
        shortlist=chosen.shortlist,
        recall=chosen.recall,
        target_recall=targets.recall,
        k=targets.k,
        sample=sample,
        imbalance=round(ivf.inverted.imbalance, 4),
        code=ivf.describe_storage(),
        memory_bytes=ivf.memory_bytes,
        target_memory_bytes=targets.memory_bytes,
        sha256="",
        checksums="",
        curve=(),
    )


def _lists_needed(ivf: IvfIndex, judge: LeaveOneOut) -> Rows:
    """Return how many lists must be searched until each exact neighbour is seen: (sample, k), 0 for none.

    A neighbour is seen once its list is searched. So this tells the recall of exact scores at every nprobe
    without searching once for each.
    """
    list_of = ivf.list_of()
    needed = np.zeros(judge.truth[1].shape, dtype=np.int64)
    for start in range(0, len(judge.queries), QUERIES_AT_ONCE):
        some = slice(start, start + QUERIES_AT_ONCE)
        place = np.argsort(ivf.inverted.order(judge.queries[some]), axis=1)  # of each list in the order of the query
        needed[some] = np.take_along_axis(place, list_of[judge.truth[1][some]], axis=1) + 1
    return np.where(judge.truth[1] < 0, 0, needed)


def timed(
    points: list[IvfPoint], search: Callable[[Vectors, IvfPoint], ScoredRows], queries: Vectors
) -> tuple[IvfPoint, ...]:
    """Return the points with the time that a single query takes."""

    def ms(point: IvfPoint) -> float:
        elapsed = []
        for query in queries[:TIMED]:
            begun = time.perf_counter()
            search(query[None], point)
            elapsed.append(time.perf_counter() - begun)
        return round(1000 * float(np.median(elapsed)), 3)

    return tuple(replace(point, ms=ms(point)) for point in points)


def _places(found: Rows, wanted: Rows) -> Rows:
    """Return where in its line of `found` (m, length) each of `wanted` (m, k) stands; the length where it does not."""
    places = np.full(wanted.shape, found.shape[1], dtype=np.int64)
    for line, (rows, sought) in enumerate(zip(found, wanted, strict=True)):
        order = np.argsort(sought)
        at = np.minimum(np.searchsorted(sought, rows, sorter=order), len(sought) - 1)
        hits = np.flatnonzero(sought[order[at]] == rows)
        places[line, order[at[hits]]] = hits
    return places
