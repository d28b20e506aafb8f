"""Query images to answers: what the index knows is looked up, the rest goes through the network, then search."""

import time
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from retrieval.catalogue.criteria import Criteria
from retrieval.embed.embedder import Embedder
from retrieval.embed.prepare import Image, name_of
from retrieval.errors import PhotoError, QueryError
from retrieval.filters import Filter
from retrieval.manifest import Model
from retrieval.query.batching import BatchSizer
from retrieval.query.embeddings import Found, embeddings
from retrieval.query.near_identical import RankedRow, SearchLimits, search_distinct
from retrieval.query.question import Question
from retrieval.query.resolve import resolve_filter
from retrieval.records import Answer, Embedding, Failure, Hit, Photo, Vectors
from retrieval.search.selection import Selection
from retrieval.store import Snapshot, Store


def answer(store: Store, embedder: Embedder, images: Iterable[Image], question: Question) -> Iterator[Answer]:
    """Yield one answer an image, in order; an image that cannot be read gets an answer with its failure.

    Takes as many images at a time as can be answered soon. Each batch sees one state of the index. Raises QueryError
    for a filter that names what the index does not know.
    """
    wanted = resolve_filter(store, question.filter or Filter())
    if question.other_species and not store.manifest.model.classes:
        raise QueryError(f"{store.manifest.model.name} names no species: there are no others, ask for all")
    sizer, stream = BatchSizer(question.k), iter(images)
    while batch := sizer.next_batch(stream):
        begun = time.monotonic()
        found = embeddings(store, embedder, batch, max(question.top, question.other_species))
        queries = {place: one for place, one in enumerate(found) if isinstance(one, Embedding)}
        hits = _hits(store, queries, question, wanted) if queries else {}
        sizer.record_time(time.monotonic() - begun)
        for place, (image, result) in enumerate(zip(batch, found, strict=True)):
            yield _answer(store.manifest.model, image, result, hits.get(place, ()), question.top)


def _answer(model: Model, image: Image, result: Found, hits: tuple[Hit, ...], top: int) -> Answer:
    name = name_of(image)
    if isinstance(result, PhotoError):
        failure = Failure(Path(name), result.kind, result.reason)
        return Answer(name, model.name, failure=failure, label_kind=model.label_kind)
    return Answer(name, model.name, result.predictions[:top], hits, label_kind=model.label_kind)


def _hits(
    store: Store, queries: Mapping[int, Embedding], question: Question, wanted: Criteria
) -> dict[int, tuple[Hit, ...]]:
    """Search for all queries, those together that look among the same photos, and name the photos found.

    Queries and hits go by the places of their images in the batch.
    """
    found: dict[int, list[RankedRow]] = {}
    with store.snapshot() as now:
        for species, places in _by_own_species(queries, question.other_species).items():
            vectors = np.stack([queries[place].vector for place in places])
            selection = now.selection(wanted, species)
            found |= zip(places, _search(store, now, vectors, question, selection), strict=True)
        rows = {row for ranked in found.values() for one in ranked for row in (one.row, *one.hidden)}
        photos = now.catalogue.photos.of_rows(sorted(rows))
    chosen = {row: [one for one in files if wanted.admits(one.root, one.relative)] for row, files in photos.items()}
    return {place: _ranked(store, ranked, chosen, question) for place, ranked in found.items()}


def _by_own_species(queries: Mapping[int, Embedding], other_species: bool) -> dict[frozenset[str], list[int]]:
    """The places of the queries by the species whose photos are hidden from them: their own, or none."""
    places: dict[frozenset[str], list[int]] = {}
    for place, query in queries.items():
        own = {prediction.species for prediction in query.predictions[:1]}
        if query.recorded is not None:
            own.add(query.recorded)
        places.setdefault(frozenset(own if other_species else ()), []).append(place)
    return places


def _search(
    store: Store, now: Snapshot, queries: Vectors, question: Question, selection: Selection
) -> list[list[RankedRow]]:
    """Find rows, best first."""
    k = min(question.k, selection.alive)
    if k < 1:
        return [[] for _ in queries]
    floor = -2.0 if question.min_score is None else question.min_score
    if question.hide_duplicates:
        search = partial(store.search.search, selection=selection)
        wanted = SearchLimits(k, selection.alive, floor)
        found = search_distinct(now.catalogue, store.vectors.read(selection.rows), search, queries, wanted)
    else:
        scores, nearest = store.search.search(queries, k, selection)
        lines = zip(scores.tolist(), nearest.tolist(), strict=True)
        found = [[RankedRow(*one) for one in zip(*line, strict=True) if one[1] >= 0] for line in lines]
    return [[one for one in ranked if one.score >= floor] for ranked in found]


def _ranked(
    store: Store, ranked: Iterable[RankedRow], photos: dict[int, list[Photo]], question: Question
) -> tuple[Hit, ...]:
    hits: list[Hit] = []
    for one in ranked:
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
