"""An index whose photos and queries are vectors already: everything but the network is the product's own."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval import Index
from retrieval.embed.embedder import Embedder
from retrieval.embed.prepare import ArchiveFile, Image
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

    def read(self, sources: Iterable[Source], locate: Callable[[Source], Path]) -> Iterator[ArchiveFile]:
        for source in sources:
            digest = hashlib.sha256(source.relative.encode()).digest()
            yield ArchiveFile(Outcome(source, locate(source), source.size, source.mtime_ns, digest), b"")

    def stream(
        self,
        files: Iterable[ArchiveFile],
        *,
        count: int = 0,
    ) -> Iterator[list[Outcome]]:
        waiting = iter(files)
        while some := list(islice(waiting, TOGETHER)):
            yield [self._completed(file.outcome) for file in some]

    def _completed(self, outcome: Outcome) -> Outcome:
        digest = outcome.content_hash
        embedding = Embedding(next(self._added), NORM, (Prediction("species 000", 0.5),))
        facts, preview = Facts("JPEG", 6000, 4000), Preview(digest[:8], b"")
        return replace(outcome, facts=facts, preview=preview, embedding=embedding)


def opened(folder: Path, added: Iterable[NDArray[np.float32]] = ()) -> Index:
    """An index that is asked with vectors, and to which the `added` ones can be added as photos."""
    store = Store.open(folder)
    return Index(store, GivenVectors(store, added))
