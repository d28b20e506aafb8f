"""Embeddings of the images of a query: from the index where it knows them, else from the network."""

import stat
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from retrieval.archive.content import hash_bytes, read_file
from retrieval.catalogue.contents import Contents
from retrieval.decode.prefetch import prefetch
from retrieval.embed.embedder import Embedder
from retrieval.embed.prepare import Image, bytes_of, path_of
from retrieval.errors import PhotoError
from retrieval.manifest import Manifest
from retrieval.records import Embedding, StoredVector
from retrieval.store import Store

Found = Embedding | PhotoError


def embeddings(store: Store, embedder: Embedder, images: Sequence[Image], top: int) -> list[Found]:
    """Return the embedding of each image with its `top` most probable species, or why there is none; in order."""
    known = _stored(store, embedder.workers, images)
    found: dict[int, Found] = {place: one for place, one in known.items() if isinstance(one, PhotoError)}
    found |= _recalled(store, {place: one for place, one in known.items() if isinstance(one, StoredVector)}, top)
    unknown = [place for place in range(len(images)) if place not in found]
    if unknown:
        results = embedder.attempt((images[place] for place in unknown), top=top)
        found.update(zip(unknown, results, strict=True))
    return [found[place] for place in range(len(images))]


def _stored(store: Store, workers: int, images: Sequence[Image]) -> dict[int, StoredVector | PhotoError | None]:
    """Find the stored vectors of images, by their places among them: at their paths, else by their bytes, in threads.

    None stands for what the index does not know. Pictures and arrays have no entry.
    """
    known: dict[int, StoredVector | PhotoError | None] = {}
    with store.snapshot() as now:
        for place, image in enumerate(images):
            path = path_of(image)
            if path is not None:
                known[place] = _at_path(now.catalogue.contents, store.manifest, path)
            elif bytes_of(image) is not None:
                known[place] = None
    unread = [place for place, one in known.items() if one is None]
    jobs = ((partial(_by_hash, store, images[place]), 0) for place in unread)
    hashed = prefetch(jobs, workers=workers, window=2 * workers, budget=0)
    known.update(zip(unread, hashed, strict=True))
    return known


def _at_path(contents: Contents, manifest: Manifest, path: Path) -> StoredVector | PhotoError | None:
    """Look up a file by path, size and time. What cannot be looked at is left to reading, which tells why."""
    try:
        facts, resolved = path.stat(), path.resolve()
    except (OSError, ValueError, RuntimeError):  # names that no file can have; links in a circle
        return None
    if stat.S_ISDIR(facts.st_mode):
        return PhotoError("not-a-photo", "is a folder: give photos, or index the folder first")
    indexed = manifest.locate(resolved)
    return contents.of_file(*indexed, facts.st_size, facts.st_mtime_ns) if indexed else None


def _by_hash(store: Store, image: Image) -> StoredVector | PhotoError | None:
    """Look up by content; called from many threads."""
    path, data = path_of(image), bytes_of(image)
    try:
        digest = read_file(path).hash if path is not None else hash_bytes(data or b"")
    except PhotoError as error:
        return error
    return store.catalogue.contents.with_hash(digest)


def _recalled(store: Store, stored: Mapping[int, StoredVector], top: int) -> dict[int, Embedding]:
    """Rebuild embeddings from the index alone, by the same places; without those that need the network after all."""
    head, rows = store.head, store.catalogue.contents.vectors()
    usable = {place: one for place, one in stored.items() if one.row < rows}
    if not usable or (head is None and store.manifest.model.classes):
        return {}
    vectors = store.vectors.read(rows)[[one.row for one in usable.values()]].astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)  # half precision leaves the length off by up to 0.0005
    norms = [one.norm for one in usable.values()]
    features = vectors * np.array(norms, dtype=np.float32)[:, None]
    predictions = head.predict(features, top) if head and top else [()] * len(usable)
    return {
        place: Embedding(vector, one.norm, predicted, one.species)
        for (place, one), vector, predicted in zip(usable.items(), vectors, predictions, strict=True)
    }
