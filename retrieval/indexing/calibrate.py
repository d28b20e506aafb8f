"""Quantises the network of a new index on a sample of its own photos, and measures it on others of them."""

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.decode.prefetch import prefetch
from retrieval.embed.embedder import Embedder
from retrieval.embed.prepare import Pixels, Preparation
from retrieval.engines import registry
from retrieval.engines.protocol import INT8, Engine
from retrieval.errors import IndexFormatError, ModelError, PhotoError, Remedy
from retrieval.manifest import MANIFEST_NAME, Calibration
from retrieval.records import Progress, Source, Vectors
from retrieval.search import exact
from retrieval.store import Store

CALIBRATED = 128  # photos; 300 gave the same agreement
HELD_BACK = 200
LEAST = 50  # photos of both kinds together
NEIGHBOURS = 20
POOR = 0.99  # a mean cosine below this is worth a word: bf16 and int8 gave 0.9999 and 0.9986 with DeiT-tiny
_SPARE = 2  # times as many are drawn: some cannot be read, some are copies
_AHEAD = 32
_AHEAD_BYTES = 256 * 2**20

Listener = Callable[[Progress], None]


def calibrate(
    store: Store, embedder: Embedder, pending: Iterable[Source], locate: Callable[[Source], Path], progress: Listener
) -> None:
    """Give an index in int8 its network, unless it has it; `pending` are the files it is about to embed.

    The network is on the disk before the settings that name it, and these before any vector: a run that is killed
    between leaves an index that is calibrated again. Raises ModelError where there are too few photos that can be
    read, IndexFormatError for an index that has lost its network.
    """
    if store.calibrated_network is None:
        if store.catalogue.contents.vectors():
            raise IndexFormatError(
                f"{store.folder} has vectors, but its {MANIFEST_NAME} does not name its network", Remedy.RESTORE
            )
        photos = _readable(embedder, pending, locate, progress)
        if len(photos) < LEAST:
            raise ModelError(
                f"int8 is calibrated on at least {LEAST} photos, and only {len(photos)} different ones can be read",
                Remedy.MORE_PHOTOS_OR_PRECISION,
            )
        _make(store, embedder, photos, progress)
    assert store.calibrated_network is not None
    embedder.network.use(store.calibrated_network)


def _make(store: Store, embedder: Embedder, photos: NDArray[np.uint8], progress: Listener) -> None:
    """Quantise on some of the photos, measure on the others, and keep both."""
    from retrieval.engines.openvino import calibrated
    from retrieval.engines.openvino.engine import OpenVinoEngine
    from retrieval.engines.openvino.int8 import passes, quantise

    count = min(CALIBRATED, len(photos) * 2 // 5)
    seen, held_back = photos[:count], photos[count:]
    checkpoint = embedder.network.checkpoint().load()
    done, total = 0, passes(checkpoint.config, len(seen)) + 2 * len(held_back)

    def passed(more: int) -> None:
        nonlocal done
        done += more
        progress(Progress("calibrating", done, total))

    quantised = quantise(checkpoint, seen, passed)
    del checkpoint  # one network after the other: each takes the memory of its weights
    plain = registry.start(embedder.network.checkpoint(), engine="openvino", device="cpu", precision="fp32")
    reference = _vectors(plain, held_back, passed)
    del plain
    vectors = _vectors(OpenVinoEngine(quantised, precision=INT8), held_back, passed)
    written = calibrated.write(store.folder, quantised, store.manifest.model.sha256)
    calibration = agreement(reference, vectors, Calibration(written.sha256, len(seen), len(held_back)))
    if calibration.mean_cosine < POOR:
        embedder.network.notify(
            f"int8 changes this network's vectors more than it should: cosine {calibration.mean_cosine:.3f} to fp32 on "
            "average. An index of another precision, in a new folder, is the better choice."
        )
    store.save(replace(store.manifest, calibration=calibration))


def agreement(reference: Vectors, vectors: Vectors, calibration: Calibration) -> Calibration:
    """Fill in how alike two embeddings of the same photos are, (n, d) both."""
    k = min(NEIGHBOURS, len(reference) // 10)
    nearest = [exact.search(some, some, len(some))[1].tolist() for some in (reference, vectors)]
    others = [[[row for row in rows if row != own][:k] for own, rows in enumerate(found)] for found in nearest]
    same = [len({*one} & {*other}) / k for one, other in zip(*others, strict=True)]
    cosines = (reference.astype(np.float64) * vectors).sum(axis=1)
    return replace(
        calibration,
        k=k,
        overlap=float(np.mean(same)),
        mean_cosine=float(cosines.mean()),
        lowest_cosine=float(cosines.min()),
    )


def _vectors(engine: Engine, photos: NDArray[np.uint8], passed: Callable[[int], None]) -> Vectors:
    """The unit vectors of photos (n, d)."""
    found = []
    for start in range(0, len(photos), engine.batch_size):
        batch = photos[start : start + engine.batch_size]
        features = engine.run(batch)
        found.append(features / np.linalg.norm(features, axis=1, keepdims=True))
        passed(len(batch))
    return np.concatenate(found)


def _readable(
    embedder: Embedder, pending: Iterable[Source], locate: Callable[[Source], Path], progress: Listener
) -> NDArray[np.uint8]:
    """Photos drawn at random from those to embed, as many as are wanted or can be read: (n, height, width, 3)."""
    wanted = CALIBRATED + HELD_BACK
    preparation = embedder.preparation
    jobs = ((partial(_prepared, preparation, locate(source)), source.size) for source in _drawn(pending, wanted))
    photos: dict[bytes, Pixels] = {}
    for pixels in prefetch(jobs, workers=embedder.workers, window=_AHEAD, budget=_AHEAD_BYTES):
        if pixels is not None:
            photos.setdefault(sha256(pixels.tobytes()).digest(), pixels)  # copies would agree with each other
        progress(Progress("sampling", len(photos), wanted))
        if len(photos) == wanted:
            break
    height, width = preparation.height, preparation.width
    return np.stack(list(photos.values())) if photos else np.empty((0, height, width, 3), np.uint8)


def _drawn(pending: Iterable[Source], wanted: int) -> list[Source]:
    """Draw from any number of files in one pass (Vitter 1985, algorithm R), the same ones for the same files."""
    draw = random.Random(0)  # noqa: S311 # a sample, no secret
    drawn: list[Source] = []
    for number, source in enumerate(pending):
        if len(drawn) < wanted * _SPARE:
            drawn.append(source)
        elif (place := draw.randrange(number + 1)) < len(drawn):
            drawn[place] = source
    draw.shuffle(drawn)
    return drawn


def _prepared(preparation: Preparation, path: Path) -> Pixels | None:
    try:
        return preparation.image(path)
    except PhotoError:
        return None
