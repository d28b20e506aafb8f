"""An index whose photos and queries are vectors already: everything but the network is the product's own."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval import Index
from retrieval.embed.embedder import Embedder
from retrieval.embed.prepare import Image
from retrieval.records import Embedding, Facts, Outcome, Prediction, Preview, Source
from retrieval.store import Store

TOGETHER = 1000  # files recorded together
NORM = 30.0


class GivenVectors(Embedder):
    """Takes a query's vector for its embedding, and for the files of a run one given vector after the other."""

    def __init__(self, store: Store, added: Iterable[NDArray[np.float32]] = ()) -> None:
        super().__init__("vectors that were given", expected=store.manifest.model)
        self._added = iter(added)

    def attempt(self, images: Iterable[Image], *, top: int = 5) -> Iterator[Embedding]:
        for image in images:
            yield Embedding(image, NORM, ())

    def stream(
        self,
        sources: Iterable[Source],
        locate: Callable[[Source], Path],
        knows: Callable[[bytes], bool],
        *,
        count: int = 0,
    ) -> Iterator[list[Outcome]]:
        waiting = iter(sources)
        while some := list(islice(waiting, TOGETHER)):
            yield [self._outcome(source, locate(source)) for source in some]

    def _outcome(self, source: Source, path: Path) -> Outcome:
        digest = hashlib.sha256(source.relative.encode()).digest()
        embedding = Embedding(next(self._added), NORM, (Prediction("species 000", 0.5),))
        facts, preview = Facts("JPEG", 6000, 4000), Preview(digest[:8], b"")
        return Outcome(source, path, source.size, source.mtime_ns, digest, facts, preview, embedding)


def opened(folder: Path, added: Iterable[NDArray[np.float32]] = ()) -> Index:
    """An index that is asked with vectors, and to which the `added` ones can be added as photos."""
    store = Store.open(folder)
    return Index(store, GivenVectors(store, added))
