"""How good an approximate search is, measured against the exact one; knows nothing of how it searches.

Recall at k: the share of the k exact neighbours that were found. It is measured leave-one-out: a sample of
the indexed vectors are the queries, and each is taken out of its own answer on both sides.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.durable import replacing
from retrieval.records import Rows, Vectors
from retrieval.search import exact
from retrieval.search.vectors import HalfVectors
from retrieval.search.wishes import Wishes

Search = Callable[[Vectors, int], exact.Found]
Recalls = NDArray[np.float64]  # (sample,), 0 to 1

SAMPLE = 1000  # queries: exact search of so many costs a small part of what training does

# Quantile of the normal distribution at 0.99. A mean that lies so many standard errors above the target is
# also what makes a second sample of the same size reach it 95 times in 100: 2.33 is 1.645 x sqrt(2).
QUANTILE = 2.33


@dataclass(frozen=True, slots=True)
class Point:
    """One way of searching, with what it gives and takes."""

    nprobe: int  # lists looked into
    shortlist: int  # rows scored again exactly; 0 where every score is exact
    recall: float
    ms: float  # a single query, median, when it was measured


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured of an index, and for which contents of it."""

    rows: int  # rows 0 to rows - 1 are covered
    size: int  # of them in the index; the others were dead when it was made
    trained_rows: int  # rows there were when its lists were made
    measured_rows: int  # rows there were when this was measured
    lists: int
    nprobe: int  # lists looked into for each query
    shortlist: int  # rows scored again exactly, for k; 0 where every score is exact
    recall: float  # mean over the sample, at k
    target_recall: float
    k: int
    sample: int  # queries; fewer than asked for where there are fewer vectors
    imbalance: float  # of the lists' sizes when they were made: 1 if all are alike
    code: str  # how vectors are kept, in words
    memory_bytes: int  # held while searching, without what is mapped
    wished_memory: int | None  # bytes; None for the default
    sha256: str  # of the index' file; empty before it is saved
    curve: tuple[Point, ...]  # the cheapest ways to rising recalls

    @property
    def wishes(self) -> Wishes:
        """What it was made for."""
        return Wishes(self.target_recall, self.k, self.wished_memory)

    def save(self, path: Path) -> None:
        """Write it as JSON, whole or not at all."""
        with replacing(path) as partial:
            partial.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Measurement | None":
        """What was saved; None where nothing was, or where it cannot be understood."""
        try:
            values = json.loads(path.read_bytes())
            points = tuple(Point(**point) for point in values["curve"])
            found = cls(**{field.name: values[field.name] for field in fields(cls)} | {"curve": points})
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None
        return found if _typed(found) and all(map(_typed, points)) else None


def _typed(record: Any) -> bool:
    """Whether each field has the type that it was declared with."""
    return all(
        isinstance(getattr(record, field.name), (int, float) if field.type is float else field.type)
        for field in fields(record)
        if isinstance(field.type, type)
    )


class LeaveOneOut:
    """A sample of vectors as queries, with their exact neighbours among all the others."""

    def __init__(self, vectors: HalfVectors, k: int, sample: int, seed: int | None, live: Rows | None = None) -> None:
        """`vectors` is (n, d); `live` restricts queries and neighbours alike. Without a seed: at random."""
        candidates = len(vectors) if live is None else live
        count = len(vectors) if live is None else len(live)
        draw = np.random.default_rng(seed).choice(candidates, min(sample, count), replace=False)
        self.k = k
        self.vectors = vectors
        self.rows = np.sort(draw).astype(np.int64)
        self.queries = vectors[self.rows].astype(np.float32)
        self.exact = self.without_self(exact.search(vectors, self.queries, k + 1, rows=live))

    def recall(self, search: Search) -> Recalls:
        """Recall at k of another search over the same vectors, for each query."""
        found = self.without_self(search(self.queries, self.k + 1))
        return exact.recall(found[1], self.exact, self.vectors, self.queries)

    def without_self(self, found: exact.Found) -> exact.Found:
        """An answer to the queries, each without its own row, cut to k."""
        scores, rows = found
        own = rows == self.rows[:, None]
        return exact.ordered((np.where(own, -np.inf, scores), np.where(own, -1, rows)), self.k)


def margin(recalls: Recalls) -> float:
    """How far the mean of one sample may lie from what holds for all vectors, and from another sample."""
    return QUANTILE * float(recalls.std(ddof=1)) / float(np.sqrt(len(recalls)))


def assured(recalls: Recalls) -> float:
    """The recall that a sample proves: its mean less its margin.

    One query that finds nothing is added to the sample. It matters only where nearly every query finds
    everything: without it a spread of zero would claim certainty. (So 1,000 perfect queries prove 0.997,
    what the rule of three says as well.)
    """
    honest = np.append(recalls, 0.0)
    return float(honest.mean()) - margin(honest)


def smallest(recalls_at: Callable[[int], Recalls], most: int, target_recall: float) -> int:
    """The smallest number, from 1 to `most`, whose assured recall reaches the target; `most` if none does.

    Recall must not fall when the number rises: double until it suffices, then halve the interval.
    """
    too_few, enough = 0, 1
    while enough < most and assured(recalls_at(enough)) < target_recall:
        too_few, enough = enough, min(2 * enough, most)
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if assured(recalls_at(middle)) < target_recall:
            too_few = middle
        else:
            enough = middle
    return enough
