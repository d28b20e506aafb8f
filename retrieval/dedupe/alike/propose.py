"""Which pairs of contents are worth comparing: neighbours by embedding, by sketch, and by perceptual hash."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.catalogue.contents import Ids
from retrieval.dedupe.alike import sketch
from retrieval.records import Rows
from retrieval.search.registry import EXACT_UP_TO, search_in_memory
from retrieval.search.selection import Selection
from retrieval.search.targets import Targets
from retrieval.store import Store

# Two versions of one picture have sketches of at least this cosine in 99.8 % of cases, two photos in 40 %.
MIN_SKETCH = 0.08
SKETCH_RECALL = 0.95  # of an index of the sketches
_BANDS, _BITS = 4, 16  # of a hash: two that differ in 3 bits or fewer have one band in common
_MAX_BAND = 32  # contents with one band in common; more are plain skies, not one picture


@dataclass(frozen=True, slots=True)
class ProposalSettings:
    """How many pairs are proposed."""

    by_embedding: int = 10  # neighbours of each content; twenty add less than the sketch's first five
    by_sketch: int = 8  # neighbours of each content
    max_hash_distance: int = 6  # bits of 64
    exact_sketches: int = EXACT_UP_TO  # more sketches are searched by an index of their own


DEFAULTS = ProposalSettings()


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Pairs to compare: one new content with others."""

    content: int
    others: Ids  # (m,)
    cosines: NDArray[np.float32]  # (m,), of the embeddings


class Proposer:
    """Proposes among the live contents of an index; made for one pass, from what is there at that moment."""

    def __init__(self, store: Store, settings: ProposalSettings = DEFAULTS) -> None:
        self._settings = settings
        self._store = store
        catalogue = store.catalogue
        self.contents, rows = catalogue.contents.live()
        self._rows = rows
        self._total = catalogue.contents.vectors()
        self._selection = Selection.of(self._total, catalogue.contents.dead_rows())
        self._vectors = store.vectors.read(self._total)
        self._place = _places(self.contents)  # of a content among the live ones
        self._content_at = np.full(self._total, -1, np.int64)
        self._content_at[rows] = self.contents
        known, sketches = catalogue.sketches.all(sketch.DIMENSION)
        self._sketches = np.zeros((len(self.contents), sketch.DIMENSION), np.float16)
        self._sketches[self._place[known]] = sketch.unit(sketches)
        self._sketch_search = search_in_memory(
            self._sketches,
            Targets(SKETCH_RECALL, settings.by_sketch + 1),  # each finds itself
            exact_up_to=settings.exact_sketches,
        )
        self._all_sketches = Selection.everything(len(self._sketches))
        self._alike = _same_bands(*catalogue.previews.hashes(), settings.max_hash_distance)

    def order(self, contents: Ids) -> Ids:
        """Return contents in an order in which neighbours stand close together: what was just read is wanted again."""
        rows = self._rows[self._place[contents]]
        return self._content_at[self._store.search.cluster_order(rows, self._selection)]

    def of(self, contents: Ids) -> Iterator[Candidates]:
        """Yield for each of some contents which others it may be like."""
        rows = self._rows[self._place[contents]]
        for asked, (_, found) in self._store.search.neighbours(rows, self._settings.by_embedding, self._selection):
            some = self._content_at[asked]
            near = np.where(found < 0, -1, self._content_at[np.maximum(found, 0)])
            by_sketch = self._by_sketch(some)
            for number, content in enumerate(some.tolist()):
                alike = self._alike.get(content, np.zeros(0, np.int64))
                others = np.unique(np.concatenate([near[number], by_sketch[number], alike]))
                others = others[(others >= 0) & (others != content)]
                yield self._gated(content, others, alike)

    def _gated(self, content: int, others: Ids, alike: Ids) -> Candidates:
        """Leave out pairs whose sketches are nothing alike; pictures without points have nothing but their hash."""
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
        _, places = self._sketch_search.search(queries, self._settings.by_sketch + 1, self._all_sketches)
        return np.where(places < 0, -1, self.contents[np.maximum(places, 0)])


def _places(contents: Ids) -> Rows:
    """Return the place of each content, by its id; -1 where it has none."""
    places = np.full(int(contents.max()) + 1 if len(contents) else 0, -1, np.int64)
    places[contents] = np.arange(len(contents))
    return places


def _same_bands(contents: Ids, hashes: NDArray[np.uint64], max_distance: int) -> dict[int, Ids]:
    """Return for each content those whose hash differs in at most `max_distance` bits."""
    found: dict[int, set[int]] = {}
    for band in range(_BANDS):
        keys = (hashes >> np.uint64(band * _BITS)) & np.uint64(2**_BITS - 1)
        order = np.argsort(keys, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1):
            if 2 <= len(group) <= _MAX_BAND:
                _near_hashes(contents[group], hashes[group], max_distance, found)
    return {content: np.array(sorted(others)) for content, others in found.items()}


def _near_hashes(contents: Ids, hashes: NDArray[np.uint64], max_distance: int, found: dict[int, set[int]]) -> None:
    near = np.bitwise_count(hashes[:, None] ^ hashes[None, :]) <= max_distance
    for a, b in zip(*np.nonzero(np.triu(near, 1)), strict=True):
        found.setdefault(int(contents[a]), set()).add(int(contents[b]))
        found.setdefault(int(contents[b]), set()).add(int(contents[a]))
