"""Indexed photos without a query image: lists by filter, life lists, counts, thumbnails."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from retrieval.catalogue.photos import Order
from retrieval.filters import Filter
from retrieval.query.resolve import resolve_filter
from retrieval.records import ListedPhoto, ListedSpecies, PathInput
from retrieval.store import Store


def photos(
    store: Store,
    filter: Filter | None = None,
    *,
    order: Order = "path",
    reverse: bool = False,
    limit: int | None = None,
) -> Iterator[ListedPhoto]:
    """Return the indexed photos that a filter selects, or all of them, as they are read."""
    criteria, place = resolve_filter(store, filter or Filter()), store.manifest.path_of
    found = store.catalogue.photos.matching(criteria, order=order, reverse=reverse, limit=limit)
    return (ListedPhoto(place(one.root, one.relative), *one[2:]) for one in found)


def species(store: Store, filter: Filter | None = None) -> list[ListedSpecies]:
    """Return what there is of each species among the photos that a filter selects, by name."""
    criteria, place = resolve_filter(store, filter or Filter()), store.manifest.path_of
    found = store.catalogue.photos.by_species(criteria)
    return [ListedSpecies(*one[:-2], place(one.root, one.relative)) for one in found]


def count(store: Store, filter: Filter | None = None) -> int:
    """Count the indexed photos that a filter selects, or all of them."""
    return store.catalogue.photos.count(resolve_filter(store, filter or Filter()))


def without(store: Store, what: Literal["date", "place"]) -> int:
    """Count the indexed photos whose date or place is unknown."""
    return store.catalogue.photos.count_without(what)


def thumbnail(store: Store, path: PathInput) -> bytes | None:
    """Return a small JPEG of an indexed photo by its absolute path; None where there is none."""
    found = store.manifest.locate(Path(path))
    return store.catalogue.previews.thumbnail(*found) if found else None
