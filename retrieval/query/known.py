"""Vectors for images that are asked about: what the index knows is looked up, the rest goes through the network."""

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from retrieval.archive.content import hash_bytes, read_file
from retrieval.catalogue.reader import Catalogue
from retrieval.decode.prefetch import prefetch
from retrieval.embed.embedder import AHEAD_BYTES, Embedder
from retrieval.embed.prepare import Image
from retrieval.errors import PhotoError
from retrieval.manifest import Manifest
from retrieval.records import Embedding, Stored
from retrieval.store import Store

Found = Embedding | PhotoError


def embeddings(store: Store, embedder: Embedder, images: Sequence[Image], top: int) -> list[Found]:
    """Return the embedding of each image with its `top` most probable species, or why there is none; in order."""
    found: dict[int, Found] = {}
    stored: dict[int, Stored] = {}
    for position, known in enumerate(_stored(store, embedder.workers, images)):
        if isinstance(known, PhotoError):
            found[position] = known
        elif known:
            stored[position] = known
    found.update(_recalled(store, stored, top))
    unknown = [position for position in range(len(images)) if position not in found]
    if unknown:
        results = embedder.attempt((images[position] for position in unknown), top=top)
        found.update(zip(unknown, results, strict=True))
    return [found[position] for position in range(len(images))]


def _stored(store: Store, workers: int, images: Sequence[Image]) -> Iterator[Stored | PhotoError | None]:
    """Find the stored vectors of images by place, size and time, else by the hash of their bytes, in threads."""
    with store.snapshot() as now:
        at_place = [_at_place(now.catalogue, store.manifest, image) for image in images]
    jobs = (
        (partial(_by_hash, store, image), 0)
        for image, known in zip(images, at_place, strict=True)
        if known is None and isinstance(image, bytes | str | os.PathLike)
    )
    hashed = prefetch(jobs, workers=workers, window=2 * workers, budget=AHEAD_BYTES)
    for image, known in zip(images, at_place, strict=True):
        if known is None and isinstance(image, bytes | str | os.PathLike):
            yield next(hashed)
        else:
            yield known


def _at_place(catalogue: Catalogue, manifest: Manifest, image: Image) -> Stored | PhotoError | None:
    if isinstance(image, bytes) or not isinstance(image, str | os.PathLike):
        return None
    path = Path(image)
    if path.is_dir():
        return PhotoError("not-a-photo", "is a folder: give photos, or index the folder first")
    place = manifest.locate(path.resolve())
    if place and path.exists():
        facts = path.stat()
        return catalogue.stored_at(*place, facts.st_size, facts.st_mtime_ns)
    return None


def _by_hash(store: Store, image: bytes | str | os.PathLike[str]) -> Stored | PhotoError | None:
    """Look up by content; called from many threads."""
    try:
        digest = hash_bytes(image) if isinstance(image, bytes) else read_file(Path(image)).hash
    except PhotoError as error:
        return error
    return store.catalogue.stored(digest)


def _recalled(store: Store, stored: dict[int, Stored], top: int) -> Iterable[tuple[int, Embedding]]:
    """Rebuild embeddings from the index alone, by position; without those that need the network after all."""
    head, rows = store.head, store.catalogue.vectors()
    usable = {position: one for position, one in stored.items() if one.row < rows}
    if not usable or (head is None and store.manifest.model.classes):
        return ()
    vectors = store.vectors.read(rows)[[one.row for one in usable.values()]].astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)  # half precision leaves the length off by up to 0.0005
    norms = [one.norm for one in usable.values()]
    features = vectors * np.array(norms, dtype=np.float32)[:, None]
    predictions = head.predict(features, top) if head and top else [()] * len(usable)
    recorded = [one.species for one in usable.values()]
    embedded = (Embedding(*one) for one in zip(vectors, norms, predictions, recorded, strict=True))
    return zip(usable, embedded, strict=True)
