"""Query images to answers: what the index knows is looked up, the rest goes through the network, then search."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval import archive
from retrieval.choose import Choice, choose
from retrieval.embed import Embedder
from retrieval.errors import PhotoError, QueryError
from retrieval.filters import Filter
from retrieval.prepare import Image, name_of
from retrieval.records import Answer, Embedding, Failure, Hit, Photo, Rows, Stored, Vectors
from retrieval.search import exact
from retrieval.store import Store

QUERIES_AT_ONCE = 64  # images embedded and searched together
Found = Embedding | PhotoError


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about every image of a query."""

    k: int = 20  # hits
    min_score: float | None = None  # cosine
    top: int = 5  # predictions for the query itself
    filter: Filter | None = None  # which photos may be found
    other_species: bool = False  # only photos of another species than the query's own

    def __post_init__(self) -> None:
        if self.k < 1:
            raise QueryError(f"k is {self.k}: ask for at least one photo")
        if self.top < 0:
            raise QueryError(f"top is {self.top}: it cannot be negative")


def answer(store: Store, embedder: Embedder, images: Iterable[Image], question: Question) -> Iterator[Answer]:
    """Yield one answer an image, in order; an image that cannot be read gets an answer with its failure.

    Raises QueryError for a filter that names what the index does not know.
    """
    if question.other_species and not store.manifest.model.classes:
        raise QueryError(f"{store.manifest.model.name} names no species: there are no others, ask for all")
    choice = choose(store, question.filter)
    stream = iter(images)
    while batch := list(islice(stream, QUERIES_AT_ONCE)):
        rows = store.catalogue.vectors()
        found = _embeddings(store, embedder, batch, max(question.top, question.other_species), rows)
        good = [embedding for embedding in found if isinstance(embedding, Embedding)]
        hits = iter(_hits(store, good, question, choice, rows))
        for image, result in zip(batch, found, strict=True):
            yield _answer(store, image, result, hits, question.top)


def _answer(store: Store, image: Image, result: Found, hits: Iterator[tuple[Hit, ...]], top: int) -> Answer:
    name, model = name_of(image), store.manifest.model
    if isinstance(result, PhotoError):
        failure = Failure(Path(name), result.kind, result.reason)
        return Answer(name, model.name, failure=failure, label_kind=model.label_kind)
    return Answer(name, model.name, result.predictions[:top], next(hits), label_kind=model.label_kind)


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
    return Embedding(vector, stored.norm, predictions, stored.species)


def _hits(
    store: Store, queries: Sequence[Embedding], question: Question, choice: Choice, rows: int
) -> list[tuple[Hit, ...]]:
    """Search for all queries, those together that look among the same photos, and name the photos found."""
    dead = store.catalogue.dead_rows()
    hits: list[tuple[Hit, ...]] = [()] * len(queries)
    for species, places in _by_own_species(queries, question.other_species).items():
        hidden = np.union1d(dead, store.listing.rows_of_species(species)) if species else dead
        vectors = np.stack([queries[place].vector for place in places])
        scores, found = _search(store, vectors, question.k, rows, hidden, choice.rows)
        photos = store.catalogue.photos_at(np.unique(found[found >= 0]).tolist())
        for place, best, at in zip(places, scores, found, strict=True):
            hits[place] = _ranked(store, best, at, photos, question, choice)
    return hits


def _by_own_species(queries: Sequence[Embedding], other_species: bool) -> dict[frozenset[str], list[int]]:
    """The places of the queries by the species whose photos are hidden from them: their own, or none."""
    places: dict[frozenset[str], list[int]] = {}
    for place, query in enumerate(queries):
        own = {prediction.species for prediction in query.predictions[:1]}
        if query.recorded is not None:
            own.add(query.recorded)
        places.setdefault(frozenset(own if other_species else ()), []).append(place)
    return places


def _search(store: Store, queries: Vectors, k: int, rows: int, hidden: Rows, chosen: Rows | None) -> exact.Found:
    """The k nearest of the first `rows` rows that are not hidden and, where there is a choice, among the chosen."""
    if chosen is None:
        k = min(k, rows - int(np.count_nonzero(hidden < rows)))
        return store.neighbours.search(queries, k, rows=rows, dead=hidden) if k > 0 else exact.nothing(len(queries), 0)
    among = np.setdiff1d(chosen[chosen < rows], hidden, assume_unique=True)
    return exact.search(store.vectors.read(rows), queries, min(k, len(among)), rows=among)


def _ranked(
    store: Store,
    scores: NDArray[np.float32],
    rows: NDArray[np.int64],
    photos: dict[int, list[Photo]],
    question: Question,
    choice: Choice,
) -> tuple[Hit, ...]:
    floor = -2.0 if question.min_score is None else question.min_score
    hits: list[Hit] = []
    for score, row in zip(scores.tolist(), rows.tolist(), strict=True):
        if score < floor:
            break
        for photo in photos.get(row, ()):  # byte-identical files share a row
            if not choice.criteria.admits(photo.root, photo.relative):
                continue
            path = store.manifest.path_of(photo.root, photo.relative)
            score = min(1.0, max(-1.0, score))
            hits.append(Hit(len(hits) + 1, score, path, photo.species, photo.probability, photo.taken_at))
    return tuple(hits[: question.k])
