"""Query images to answers: what the index knows is looked up, the rest goes through the network, then search."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from retrieval.distinct import Standing, Wanted, distinct
from retrieval.embed import Embedder
from retrieval.errors import PhotoError, QueryError
from retrieval.lookup import Found, embeddings
from retrieval.pace import Pace
from retrieval.prepare import Image, name_of
from retrieval.records import Answer, Embedding, Failure, Hit, Photo, Vectors
from retrieval.store import Snapshot, Store


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about every image of a query."""

    k: int = 20  # hits
    min_score: float | None = None  # cosine
    top: int = 5  # predictions for the query itself
    hide_duplicates: bool = False  # one hit of each near-identical cluster, see `distinct`

    def __post_init__(self) -> None:
        if self.k < 1:
            raise QueryError(f"k is {self.k}: ask for at least one photo")
        if self.top < 0:
            raise QueryError(f"top is {self.top}: it cannot be negative")


def answer(store: Store, embedder: Embedder, images: Iterable[Image], question: Question) -> Iterator[Answer]:
    """Yield one answer an image, in order; an image that cannot be read gets an answer with its failure.

    Takes as many images at a time as can be answered soon. Each batch sees one state of the index.
    """
    pace, stream = Pace(question.k), iter(images)
    while batch := pace.take(stream):
        begun = time.monotonic()
        found = embeddings(store, embedder, batch, question.top)
        good = [embedding.vector for embedding in found if isinstance(embedding, Embedding)]
        hits = iter(_hits(store, np.stack(good), question) if good else ())
        pace.took(time.monotonic() - begun)
        for image, result in zip(batch, found, strict=True):
            yield _answer(store, image, result, hits)


def _answer(store: Store, image: Image, result: Found, hits: Iterator[tuple[Hit, ...]]) -> Answer:
    name, model = name_of(image), store.manifest.model
    if isinstance(result, PhotoError):
        failure = Failure(Path(name), result.kind, result.reason)
        return Answer(name, model.name, failure=failure, label_kind=model.label_kind)
    return Answer(name, model.name, result.predictions, next(hits), label_kind=model.label_kind)


def _hits(store: Store, queries: Vectors, question: Question) -> list[tuple[Hit, ...]]:
    """Search for all queries at once and name the photos found."""
    with store.snapshot() as now:
        found = _search(store, now, queries, question)
        rows = {row for standings in found for one in standings for row in (one.row, *one.hidden)}
        photos = now.catalogue.photos_at(sorted(rows))
    return [_ranked(store, standings, photos, question) for standings in found]


def _search(store: Store, now: Snapshot, queries: Vectors, question: Question) -> list[list[Standing]]:
    """Find rows, best first."""
    rows = now.catalogue.vectors()
    selection = store.select(rows, now.catalogue.dead_rows())
    k = min(question.k, selection.alive)
    if k < 1:
        return [[] for _ in queries]
    floor = -2.0 if question.min_score is None else question.min_score
    if question.hide_duplicates:
        search = partial(store.neighbours.search, selection=selection)
        wanted = Wanted(k, selection.alive, floor)
        found = distinct(now.database, store.vectors.read(rows), search, queries, wanted)
    else:
        scores, nearest = store.neighbours.search(queries, k, selection)
        lines = zip(scores.tolist(), nearest.tolist(), strict=True)
        found = [[Standing(*one) for one in zip(*line, strict=True) if one[1] >= 0] for line in lines]
    return [[one for one in standings if one.score >= floor] for standings in found]


def _ranked(
    store: Store, standings: Iterable[Standing], photos: dict[int, list[Photo]], question: Question
) -> tuple[Hit, ...]:
    hits: list[Hit] = []
    for one in standings:
        files = photos.get(one.row, ())  # byte-identical files share a row
        hidden = None
        if question.hide_duplicates:
            hidden = sum(len(photos.get(row, ())) for row in (one.row, *one.hidden)) - 1
            files = files[:1]
        for photo in files:
            path = store.manifest.path_of(photo.root, photo.relative)
            score = min(1.0, max(-1.0, one.score))
            facts = (photo.species, photo.probability, photo.taken_at)
            hits.append(Hit(len(hits) + 1, score, path, *facts, hidden))
    return tuple(hits[: question.k])
