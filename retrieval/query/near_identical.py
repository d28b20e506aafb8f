"""One photo of each near-identical cluster among the hits: more is searched for until there are k that differ.

Two photos count as near-identical, for someone who looks at a list of hits: if `dedupe find` has recorded that they
show the same picture; if their perceptual hashes are close, and their embeddings too; or if they are frames of one
burst. What a person said is different stays apart. Each photo that is left out is near-identical to the very photo that
stands for it: clusters are not chained. This hides; what may be removed is decided elsewhere, by pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from retrieval.catalogue.catalogue import CatalogueView
from retrieval.catalogue.contents import Trait
from retrieval.catalogue.matches import Pairs
from retrieval.records import Rows, Vectors
from retrieval.search.vectors import HalfVectors

Scores = NDArray[np.float32]
Search = Callable[[Vectors, int], tuple[Scores, Rows]]  # queries and k to scores and rows, -1 where there are no more

HASH_BITS = 10  # of 64, that the hashes of one picture in two sizes or compressions may differ by (Zauner 2010)
HASH_COSINE = 0.9  # a hash alone takes one empty sky for another
BURST_S = 10.0  # between two frames
BURST_COSINE = 0.8  # a camera may also have been turned to something else
FACTOR = 4  # how much further is searched each time
FARTHEST = 100  # times k: a camera that saw the same meadow for weeks must not make a query read it all
LEAST_FARTHEST = 2_000


@dataclass(frozen=True, slots=True)
class RankedRow:
    """A row among the hits, and those that it stands for."""

    score: float
    row: int
    hidden: tuple[int, ...] = ()  # rows that would else have stood among the hits


@dataclass(frozen=True, slots=True)
class SearchLimits:
    """How many rows, and how far to look for them."""

    k: int
    alive: int  # rows that can be found
    min_score: float = -2.0  # nobody wants what is below

    @property
    def farthest(self) -> int:
        """How many rows to look at, at most."""
        return min(self.alive, max(LEAST_FARTHEST, FARTHEST * self.k))


def search_distinct(
    catalogue: CatalogueView, vectors: HalfVectors, search: Search, queries: Vectors, wanted: SearchLimits
) -> list[list[RankedRow]]:
    """Find for each of (m, d) queries the k best rows that differ from each other."""
    found: list[list[RankedRow]] = [[] for _ in queries]
    short, depth = np.arange(len(queries)), 2 * wanted.k
    while len(short):
        depth = min(depth, wanted.farthest)
        scores, rows = search(queries[short], depth)
        judge = NearIdenticalRows(catalogue, vectors, np.unique(rows[rows >= 0]).tolist())
        done = (scores[:, -1] < wanted.min_score) | (depth == wanted.farthest)
        for place, query in enumerate(short.tolist()):
            found[query] = judge.first_of_each(scores[place], rows[place], wanted.k)
            done[place] |= len(found[query]) == wanted.k
        short, depth = short[~done], depth * FACTOR
    return found


class NearIdenticalRows:
    """Tells which of some rows are near-identical."""

    def __init__(self, catalogue: CatalogueView, vectors: HalfVectors, rows: Sequence[int]) -> None:
        self._vectors = vectors
        self._traits = catalogue.contents.traits(rows)
        by_hash = {trait.hash: trait.content for trait in self._traits.values()}
        self._alike = catalogue.matches.among(by_hash.values())
        self._different = catalogue.ignored_pairs.among(by_hash)

    def first_of_each(self, scores: Scores, rows: Rows, k: int) -> list[RankedRow]:
        """Take the best row, leave out those that it stands for, take the next; until there are k."""
        known = rows >= 0
        candidates = _Candidates(rows[known], self._vectors, [self._traits[row] for row in rows[known].tolist()])
        stands_for = np.full(len(candidates.rows), -1)  # itself, or the place of what stands for it
        kept: list[int] = []
        for place in range(len(candidates.rows)):
            if stands_for[place] < 0:
                if len(kept) == k:
                    break
                kept.append(place)
                same = candidates.like(place) | self._among(self._alike, candidates, place)
                same &= ~self._among(self._different, candidates, place)
                same[:place] = False
                stands_for[same & (stands_for < 0)] = place
                stands_for[place] = place
        last = kept[-1] if len(kept) == k else len(candidates.rows)
        return [
            RankedRow(float(scores[place]), int(rows[place]), _hidden(candidates.rows, stands_for[:last], place))
            for place in kept
        ]

    def _among(self, pairs: Pairs, candidates: "_Candidates", place: int) -> NDArray[np.bool_]:
        if not pairs:
            return np.zeros(len(candidates.rows), dtype=bool)
        own = candidates.traits[place].content
        return np.array([(own, trait.content) in pairs for trait in candidates.traits])


class _Candidates:
    """The rows that one query found, laid out to be compared with each other."""

    def __init__(self, rows: Rows, vectors: HalfVectors, traits: list[Trait]) -> None:
        self.rows = rows
        self.traits = traits
        self._vectors = vectors[rows].astype(np.float32)
        previews = b"".join(trait.preview_hash or bytes(8) for trait in traits)
        self._preview_hashes = np.frombuffer(previews, dtype=np.uint64)
        self._has_hash = np.array([trait.preview_hash is not None for trait in traits], dtype=bool)
        self._hash_rules = np.array([trait.outdated_rules or 0 for trait in traits])  # 0: the present ones
        self._times = np.array([_local_s(trait.taken_at) for trait in traits], dtype=np.float64)
        cameras = {trait.camera: number for number, trait in enumerate(traits)}
        self._cameras = np.array([cameras[trait.camera] if trait.camera else -1 for trait in traits])

    def like(self, place: int) -> NDArray[np.bool_]:
        """Which rows are near-identical to one of them, by hash or as frames of one burst."""
        cosines = self._vectors @ self._vectors[place]
        bits = np.bitwise_count(self._preview_hashes ^ self._preview_hashes[place])
        previews = self._has_hash & self._has_hash[place] & (self._hash_rules == self._hash_rules[place])
        previews &= (bits <= HASH_BITS) & (cosines >= HASH_COSINE)
        same_camera = (self._cameras == self._cameras[place]) & (self._cameras >= 0)
        moments = np.abs(self._times - self._times[place]) <= BURST_S  # never where a time is not known
        found: NDArray[np.bool_] = previews | (same_camera & moments & (cosines >= BURST_COSINE))
        return found


def _hidden(rows: Rows, stands_for: NDArray[np.int64], place: int) -> tuple[int, ...]:
    own = np.flatnonzero(stands_for == place)
    return tuple(int(row) for row in rows[own[own != place]])


def _local_s(time: datetime | None) -> float:
    """The camera's own clock: of two frames, one may have lost its UTC offset."""
    return np.nan if time is None else (time.replace(tzinfo=None) - datetime(1970, 1, 1)).total_seconds()
