"""A stream of files to a stream of whole records: read and decoded in threads ahead of the network, one pass a photo.

Knows nothing of catalogues: between `read` and `stream` the caller takes the data of those files that need no decoding.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar, Unpack

import numpy as np

from retrieval.decode.prefetch import prefetch
from retrieval.embed.network import Network
from retrieval.embed.prepare import ArchiveFile, Image, Preparation, Prepared, name_of, read_source
from retrieval.embed.runtime import DEFAULT_RUNTIME, Runtime, RuntimeOptions
from retrieval.engines.openvino.calibrated import CalibratedNetwork
from retrieval.engines.protocol import Floats
from retrieval.errors import PhotoError
from retrieval.manifest import Model
from retrieval.models.head import Head
from retrieval.models.known import AUTO
from retrieval.records import Embedding, Failure, Outcome, Prediction, Source

Item = TypeVar("Item")

AHEAD_FILES = 256
READ_BYTES = 64 * 2**20  # of files that were read and not yet taken; one RAW alone can have 100 MB
DECODE_BYTES_A_WORKER = 32 * 2**20  # of files that wait for being decoded, or are
DECODE_BYTES_LEAST = 128 * 2**20
DECODE_BYTES_MOST = 1024 * 2**20
# Recording costs a sync of the disk: a fast network's batches are recorded together. A kill loses no more than this,
# and the batches that a GPU computes meanwhile.
GROUP_FILES = 256
GROUP_S = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Embedded(Generic[Item]):
    """An item with what the network says of it; None where it had no pixels."""

    item: Item
    result: Embedding | PhotoError | None = None


class Embedder:
    """One network with its way of preparing photos.

    `model` is a known name, hf://owner/repository or a checkpoint file; "auto" is the flagship, or the compact model of
    this package where the flagship cannot be had, of which the runtime's `notify` then tells. `runtime` says how to run
    it, `options` which fields of that are different. Weights are looked for and loaded at the first use that needs
    them. `expected` is what an index was made with: its input size serves before anything is loaded, and other weights
    raise ModelMismatchError. An index in int8 has a `calibrated_network` of its own: its weights are then not looked
    for.
    """

    def __init__(
        self,
        model: str = AUTO,
        runtime: Runtime = DEFAULT_RUNTIME,
        *,
        expected: Model | None = None,
        calibrated_network: CalibratedNetwork | None = None,
        **options: Unpack[RuntimeOptions],
    ) -> None:
        self.runtime = runtime.with_options(**options)
        self.workers = self.runtime.workers or available_cores()
        self.passes = 0  # photos put through the network since this object was made
        self.group_s = GROUP_S
        self.network = Network(model, self.runtime, expected=expected, calibrated_network=calibrated_network)
        self._expected = expected

    @property
    def model(self) -> Model:
        """What the network is. Loads it."""
        return self.network.load().model

    @property
    def head(self) -> Head:
        """The network's classifier as plain arrays. Loads the network."""
        return self.network.load().head

    @property
    def preparation(self) -> Preparation:
        """How photos become this network's input."""
        model = self._expected or self.model
        return Preparation(model.height, model.width, self.runtime.max_pixels, self.runtime.allow_truncated)

    def embed(self, images: Iterable[Image], *, top: int = 5) -> list[Embedding]:
        """Embed images in order, with the `top` most probable species each.

        An image is a path, the bytes of a file, a PIL image, or an array of uint8: (height, width, 3) RGB or
        (height, width) grey. Raises PhotoError, its message naming the image, at the first that cannot be read.
        """
        images = list(images)
        embeddings = []
        for image, result in zip(images, self.attempt(images, top=top), strict=True):
            if isinstance(result, PhotoError):
                raise PhotoError(result.kind, f"{name_of(image)}: {result.reason}")
            embeddings.append(result)
        return embeddings

    def attempt(self, images: Iterable[Image], *, top: int = 5) -> Iterator[Embedding | PhotoError]:
        """Do the same as an iterator, with an image's PhotoError in the place of its embedding."""
        jobs = ((partial(_try_image, self.preparation, image), 0) for image in images)
        prepared = prefetch(jobs, workers=self.workers, window=AHEAD_FILES, budget=0)
        for batch in self._embedded(self._batches(prepared), top):
            for embedded in batch:
                found = embedded.result or embedded.item
                assert found is not None, "an image without pixels has an error"
                yield found

    def read(self, sources: Iterable[Source], locate: Callable[[Source], Path]) -> Iterator[ArchiveFile]:
        """Read and hash files in threads, ahead of whoever takes them; in order. `locate` gives a file's path."""
        jobs = ((partial(read_source, source, locate(source)), source.size) for source in sources)
        return prefetch(jobs, workers=self.workers, window=AHEAD_FILES, budget=READ_BYTES, results_weigh=True)

    def stream(self, files: Iterable[ArchiveFile], *, count: int = 0) -> Iterator[list[Outcome]]:
        """Decode and embed files that were read; yield what came of them, in order, in groups worth recording.

        A file without data passes as it is. The caller records a group before it asks for the next. `count` is how many
        files there are, where the caller knows it: many are worth a longer preparation.
        """
        group: list[Outcome] = []
        begun = time.monotonic()
        preparation = self.preparation
        jobs = ((partial(preparation.file, file), len(file.data or b"")) for file in files)
        prepared = prefetch(jobs, workers=self.workers, window=AHEAD_FILES, budget=self._decode_bytes())
        for batch in self._embedded(self._batches(prepared), 1, count):
            group += [_complete(embedded) for embedded in batch]
            if len(group) >= GROUP_FILES or time.monotonic() - begun >= self.group_s:
                yield group
                group, begun = [], time.monotonic()
        if group:
            yield group

    def _batches(self, prepared: Iterable[Prepared[Item]]) -> Iterator[list[Prepared[Item]]]:
        """Gather as many items as fill one network pass."""
        batch: list[Prepared[Item]] = []
        passes = 0
        for one in prepared:
            batch.append(one)
            passes += one.pixels is not None
            if len(batch) >= GROUP_FILES or (passes and passes >= self._batch_limit()):
                yield batch
                batch, passes = [], 0
        if batch:
            yield batch

    def _embedded(
        self, batches: Iterable[list[Prepared[Item]]], top: int, count: int = 0
    ) -> Iterator[list[Embedded[Item]]]:
        """Put batches through the network, in order; each item comes back with its own result.

        Where the engine computes by itself, further batches are submitted before one is waited for.
        """
        under_way: deque[Callable[[], list[Embedded[Item]]]] = deque()
        for batch in batches:
            under_way.append(self._submit(batch, top, count))
            while len(under_way) > self._batches_ahead():
                yield under_way.popleft()()
        for finish in under_way:
            yield finish()

    def _submit(self, batch: list[Prepared[Item]], top: int, count: int) -> Callable[[], list[Embedded[Item]]]:
        """Begin a network pass; return the function that waits for it and gives the batch with its results."""
        pixels = [one.pixels for one in batch if one.pixels is not None]
        if not pixels:
            return lambda: [Embedded(one.item) for one in batch]
        engine = self.network.engine()
        engine.expect(count, self._batch_limit())
        wait = engine.submit(pixels)

        def finish() -> list[Embedded[Item]]:
            places = [place for place, one in enumerate(batch) if one.pixels is not None]
            results = dict(zip(places, self._results(wait(), top), strict=True))
            return [Embedded(one.item, results.get(place)) for place, one in enumerate(batch)]

        return finish

    def _results(self, features: Floats, top: int) -> list[Embedding | PhotoError]:
        """Name the embedding of each of the features (n, d)."""
        self.passes += len(features)
        norms = np.linalg.norm(features.astype(np.float64), axis=1)
        predictions = self.head.predict(features, top)
        return [_embedding(*one) for one in zip(features, norms.tolist(), predictions, strict=True)]

    def _decode_bytes(self) -> int:
        """How much of files that were read may wait for being decoded: enough to keep every thread busy."""
        return min(max(DECODE_BYTES_LEAST, DECODE_BYTES_A_WORKER * self.workers), DECODE_BYTES_MOST)

    def _batches_ahead(self) -> int:
        return self.network.loaded.engine.batches_ahead if self.network.loaded else 0

    def _batch_limit(self) -> int:
        return self.runtime.batch_size or self.network.load().engine.batch_size


def _embedding(feature: Floats, norm: float, predictions: tuple[Prediction, ...]) -> Embedding | PhotoError:
    """Return what a network pass says of one photo; `feature` is (d,)."""
    if not np.isfinite(norm) or norm == 0:
        return PhotoError("no-embedding", "the network gave no finite embedding for this photo")
    return Embedding((feature / norm).astype(np.float32), norm, predictions)


def _complete(embedded: Embedded[Outcome]) -> Outcome:
    """Return the outcome of a file with its result."""
    outcome, result = embedded.item, embedded.result
    if isinstance(result, PhotoError):
        return replace(outcome, failure=Failure(outcome.path, result.kind, result.reason))
    return outcome if result is None else replace(outcome, embedding=result)


def _try_image(preparation: Preparation, image: Image) -> Prepared[PhotoError | None]:
    try:
        return Prepared(None, preparation.image(image))
    except PhotoError as error:
        return Prepared(error)


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
