"""Which pairs of contents are worth comparing: neighbours by embedding, by sketch, and by perceptual hash."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.catalogue.contents import Ids
from retrieval.dedupe.alike import sketch
from retrieval.records import Rows
from retrieval.search import exact
from retrieval.search.ivf import IvfIndex
from retrieval.search.wishes import Wishes
from retrieval.store import Store

BY_EMBEDDING = 10  # neighbours of each; twenty add less than the sketch's first five
BY_SKETCH = 8
# Two versions of one picture have sketches of at least this cosine in 99.8 % of cases, two photos in 40 %.
MIN_SKETCH = 0.08
_EXACT_SKETCHES = 20_000  # beyond, an IVF index of them is worth the making
_BANDS, _BITS = 4, 16  # of a hash: two that differ in 3 bits or fewer have one band in common
_MAX_HASH_DISTANCE = 6
_MAX_BAND = 32  # contents with one band in common; more are plain skies, not one picture


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Pairs to compare: one new content with others."""

    content: int
    others: Ids  # (m,)
    cosines: NDArray[np.float32]  # (m,), of the embeddings


class Proposer:
    """Proposes among the live contents of an index; made for one pass, from what is there at that moment."""

    def __init__(self, store: Store) -> None:
        self._store = store
        catalogue = store.catalogue
        self.contents, rows = catalogue.contents.live()
        self._rows = rows
        self._total = catalogue.contents.vectors()
        self._selection = store.neighbours.select(rows=self._total, dead=catalogue.contents.dead_rows())
        self._vectors = store.vectors.read(self._total)
        self._place = _places(self.contents)  # of a content among the live ones
        self._content_at = np.full(self._total, -1, np.int64)
        self._content_at[rows] = self.contents
        known, sketches = catalogue.sketches.all(sketch.DIMENSION)
        self._sketches = np.zeros((len(self.contents), sketch.DIMENSION), np.float16)
        self._sketches[self._place[known]] = sketch.unit(sketches)
        self._ivf = self._index_sketches()
        self._alike = _same_bands(*catalogue.previews.hashes())

    def order(self, contents: Ids) -> Ids:
        """Contents in an order in which neighbours stand together: what was just looked at is wanted again."""
        rows = self._rows[self._place[contents]]
        return self._content_at[self._store.neighbours.together(rows, self._selection)]

    def of(self, contents: Ids) -> Iterator[Candidates]:
        """For each of some contents: which others it may be like."""
        rows = self._rows[self._place[contents]]
        for asked, (_, found) in self._store.neighbours.of_rows(rows, BY_EMBEDDING, self._selection):
            some = self._content_at[asked]
            near = np.where(found < 0, -1, self._content_at[np.maximum(found, 0)])
            by_sketch = self._by_sketch(some)
            for number, content in enumerate(some.tolist()):
                alike = self._alike.get(content, np.zeros(0, np.int64))
                others = np.unique(np.concatenate([near[number], by_sketch[number], alike]))
                others = others[(others >= 0) & (others != content)]
                yield self._gated(content, others, alike)

    def _gated(self, content: int, others: Ids, alike: Ids) -> Candidates:
        """Without those whose sketches are nothing like each other; a hash alone speaks for pictures without points."""
        own = self._sketches[self._place[content]].astype(np.float32)
        theirs = self._sketches[self._place[others]].astype(np.float32)
        plain = ~theirs.any(axis=1) | (not own.any())
        kept = others[(theirs @ own >= MIN_SKETCH) | plain | np.isin(others, alike)]
        vectors = self._embeddings(np.append(kept, content))
        return Candidates(content, kept, vectors[:-1] @ vectors[-1])

    def _embeddings(self, contents: Ids) -> NDArray[np.float32]:
        vectors: NDArray[np.float32] = self._vectors[self._rows[self._place[contents]]].astype(np.float32)
        return vectors

    def _by_sketch(self, contents: Ids) -> Ids:
        queries = self._sketches[self._place[contents]].astype(np.float32)
        if self._ivf is not None:
            _, places = self._ivf.search(self._sketches, queries, BY_SKETCH + 1)
        else:
            _, places = exact.search(self._sketches, queries, BY_SKETCH + 1)
        return np.where(places < 0, -1, self.contents[np.maximum(places, 0)])

    def _index_sketches(self) -> IvfIndex | None:
        if len(self._sketches) <= _EXACT_SKETCHES:
            return None
        return IvfIndex.build(self._sketches, wishes=Wishes(0.95, BY_SKETCH))


def _places(contents: Ids) -> Rows:
    """Where each content stands, by its id; -1 where it does not."""
    places = np.full(int(contents.max()) + 1 if len(contents) else 0, -1, np.int64)
    places[contents] = np.arange(len(contents))
    return places


def _same_bands(contents: Ids, hashes: NDArray[np.uint64]) -> dict[int, Ids]:
    """For each content, those whose hash differs in few bits."""
    found: dict[int, set[int]] = {}
    for band in range(_BANDS):
        keys = (hashes >> np.uint64(band * _BITS)) & np.uint64(2**_BITS - 1)
        order = np.argsort(keys, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1):
            if 2 <= len(group) <= _MAX_BAND:
                _near_hashes(contents[group], hashes[group], found)
    return {content: np.array(sorted(others)) for content, others in found.items()}


def _near_hashes(contents: Ids, hashes: NDArray[np.uint64], found: dict[int, set[int]]) -> None:
    near = np.bitwise_count(hashes[:, None] ^ hashes[None, :]) <= _MAX_HASH_DISTANCE
    for a, b in zip(*np.nonzero(np.triu(near, 1)), strict=True):
        found.setdefault(int(contents[a]), set()).add(int(contents[b]))
        found.setdefault(int(contents[b]), set()).add(int(contents[a]))
