"""Query images to answers: what the index knows is looked up, the rest goes through the network, then search."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval import archive
from retrieval.embed import Embedder
from retrieval.errors import PhotoError, QueryError
from retrieval.prepare import Image, name_of
from retrieval.records import Answer, Embedding, Failure, Hit, Photo, Stored
from retrieval.store import Store

QUERIES_AT_ONCE = 64  # images embedded and searched together
Found = Embedding | PhotoError


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about every image of a query."""

    k: int = 20  # hits
    min_score: float | None = None  # cosine
    top: int = 5  # predictions for the query itself

    def __post_init__(self) -> None:
        if self.k < 1:
            raise QueryError(f"k is {self.k}: ask for at least one photo")
        if self.top < 0:
            raise QueryError(f"top is {self.top}: it cannot be negative")


def answer(store: Store, embedder: Embedder, images: Iterable[Image], question: Question) -> Iterator[Answer]:
    """Yield one answer an image, in order; an image that cannot be read gets an answer with its failure."""
    stream = iter(images)
    while batch := list(islice(stream, QUERIES_AT_ONCE)):
        rows = store.catalogue.vectors()
        found = _embeddings(store, embedder, batch, question.top, rows)
        good = [embedding for embedding in found if isinstance(embedding, Embedding)]
        hits = iter(_hits(store, good, question, rows))
        for image, result in zip(batch, found, strict=True):
            yield _answer(store, image, result, hits)


def _answer(store: Store, image: Image, result: Found, hits: Iterator[tuple[Hit, ...]]) -> Answer:
    name, model = name_of(image), store.manifest.model
    if isinstance(result, PhotoError):
        failure = Failure(Path(name), result.kind, result.reason)
        return Answer(name, model.name, failure=failure, label_kind=model.label_kind)
    return Answer(name, model.name, result.predictions, next(hits), label_kind=model.label_kind)


def _embeddings(store: Store, embedder: Embedder, images: Sequence[Image], top: int, rows: int) -> list[Found]:
    """Take stored vectors where there are some, else ask the network; in the order of `images`."""
    found: dict[int, Found] = {}
    for position, image in enumerate(images):
        try:
            stored = _stored(store, image)
        except PhotoError as error:
            found[position] = error
            continue
        recalled = _recall(store, stored, top, rows) if stored else None
        if recalled:
            found[position] = recalled
    unknown = [position for position in range(len(images)) if position not in found]
    if unknown:
        results = embedder.attempt((images[position] for position in unknown), top=top)
        found.update(zip(unknown, results, strict=True))
    return [found[position] for position in range(len(images))]


def _stored(store: Store, image: Image) -> Stored | None:
    """Find the stored vector of an image by place, size and time, else by the hash of its bytes."""
    if isinstance(image, bytes):
        return store.catalogue.stored(archive.hash_bytes(image))
    if not isinstance(image, str | os.PathLike):
        return None
    path = Path(image)
    if path.is_dir():
        raise PhotoError("not-a-photo", "is a folder: give photos, or index the folder first")
    place = store.manifest.locate(path.resolve())
    if place and path.exists():
        facts = path.stat()
        stored = store.catalogue.stored_at(*place, facts.st_size, facts.st_mtime_ns)
        if stored:
            return stored
    return store.catalogue.stored(archive.read(path).hash)


def _recall(store: Store, stored: Stored, top: int, rows: int) -> Embedding | None:
    """Rebuild an embedding from the index alone; None where that needs the network after all."""
    head = store.head
    if stored.row >= rows or (head is None and store.manifest.model.classes):
        return None
    vector = store.vectors.read(rows)[stored.row].astype(np.float32)
    vector /= np.linalg.norm(vector)  # half precision leaves the length off by up to 0.0005
    predictions = head.predict((vector * stored.norm)[np.newaxis], top)[0] if head else ()
    return Embedding(vector, stored.norm, predictions)


def _hits(store: Store, queries: Sequence[Embedding], question: Question, rows: int) -> list[tuple[Hit, ...]]:
    """Search for all queries at once and name the photos found."""
    if not queries:
        return []
    selection = store.neighbours.select(rows=rows, dead=store.catalogue.dead_rows())
    vectors = np.stack([query.vector for query in queries])
    k = min(question.k, selection.alive)
    if k < 1:
        return [() for _ in queries]
    scores, found = store.neighbours.search(vectors, k, selection)
    photos = store.catalogue.photos_at(np.unique(found[found >= 0]).tolist())
    return [_ranked(store, *line, photos, question) for line in zip(scores, found, strict=True)]


def _ranked(
    store: Store,
    scores: NDArray[np.float32],
    rows: NDArray[np.int64],
    photos: dict[int, list[Photo]],
    question: Question,
) -> tuple[Hit, ...]:
    floor = -2.0 if question.min_score is None else question.min_score
    hits: list[Hit] = []
    for score, row in zip(scores.tolist(), rows.tolist(), strict=True):
        if score < floor:
            break
        for photo in photos.get(row, ()):  # byte-identical files share a row
            path = store.manifest.path_of(photo.root, photo.relative)
            score = min(1.0, max(-1.0, score))
            hits.append(Hit(len(hits) + 1, score, path, photo.species, photo.probability, photo.taken_at))
    return tuple(hits[: question.k])
