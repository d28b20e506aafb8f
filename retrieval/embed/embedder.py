"""A stream of files to a stream of whole records: decoding in threads ahead of the network, one pass a photo.

Knows nothing of catalogues: whether bytes are known already is asked of the caller.
"""

import os
import time
import warnings
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from retrieval.decode.photo import MAX_PIXELS
from retrieval.decode.prefetch import prefetch
from retrieval.embed.network import Network
from retrieval.embed.prepare import Image, Pixels, Preparation, Prepared, name_of
from retrieval.engines.openvino.calibrated import CalibratedNetwork
from retrieval.engines.protocol import Floats
from retrieval.errors import PhotoError
from retrieval.manifest import Model
from retrieval.models.head import Head
from retrieval.models.known import AUTO
from retrieval.records import Embedding, Failure, Outcome, Source

Item = TypeVar("Item")

AHEAD_FILES = 256
AHEAD_BYTES = 256 * 2**20  # of files being decoded at a time: one RAW can have 100 MB
# Recording costs a sync of the disk: a fast network's batches are recorded together. A kill loses no more than this,
# and the batches that a GPU computes meanwhile.
GROUP_FILES = 256
GROUP_S = 0.25


class Embedder:
    """One network with its way of preparing photos.

    `model` is a known name, hf://owner/repository or a checkpoint file; "auto" is the flagship, or the compact model of
    this package where the flagship cannot be had, of which `notify` then tells. `engine` is "auto", "torch" or
    "openvino"; `device` is "auto", "cpu", "cuda", "cuda:N" or "mps"; `precision` is "auto", "fp32", "bf16" or "fp16".
    Weights are looked for and loaded at the first use that needs them. `expected` is what an index was made with: its
    input size serves before anything is loaded, and other weights raise ModelMismatchError. An index in int8 has a
    `calibrated_network` of its own: its weights are then not looked for.
    """

    def __init__(
        self,
        model: str = AUTO,
        *,
        engine: str = "auto",
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | None = None,
        workers: int | None = None,
        max_pixels: int = MAX_PIXELS,
        allow_truncated: bool = False,
        expected: Model | None = None,
        calibrated_network: CalibratedNetwork | None = None,
        notify: Callable[[str], None] = warnings.warn,
    ) -> None:
        self.workers = workers or available_cores()
        self.passes = 0  # photos put through the network since this object was made
        self.network = Network(
            model,
            engine=engine,
            device=device,
            precision=precision,
            expected=expected,
            calibrated_network=calibrated_network,
            notify=notify,
        )
        self._batch_size = batch_size
        self._max_pixels = max_pixels
        self._allow_truncated = allow_truncated
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
        return Preparation(model.height, model.width, self._max_pixels, self._allow_truncated)

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
        for batch, results in self._through(self._images(images), _pixels, top):
            for item in batch:
                yield item if isinstance(item, PhotoError) else next(results)

    def stream(
        self,
        sources: Iterable[Source],
        locate: Callable[[Source], Path],
        knows: Callable[[bytes], bool],
        *,
        count: int = 0,
    ) -> Iterator[list[Outcome]]:
        """Read files and yield what came of them, in order, in groups that are worth recording.

        `locate` gives a file's path; `knows` tells from any thread whether bytes with this SHA-256 need no reading.
        The caller records a group before it asks for the next. Only one copy of identical files is embedded.
        `count` is how many files there are, where the caller knows it: many are worth a longer preparation.
        """
        group: list[Outcome] = []
        begun = time.monotonic()
        for batch, results in self._through(self._batches(sources, locate, knows), lambda item: item.pixels, 1, count):
            group += [_complete(item, results) for item in batch]
            if len(group) >= GROUP_FILES or time.monotonic() - begun >= GROUP_S:
                yield group
                group, begun = [], time.monotonic()
        if group:
            yield group

    def _images(self, images: Iterable[Image]) -> Iterator[list[Pixels | PhotoError]]:
        """Images made ready, as many as fill one network pass."""
        jobs = ((partial(_prepare, self.preparation, image), 0) for image in images)
        batch: list[Pixels | PhotoError] = []
        for prepared in prefetch(jobs, workers=self.workers, window=AHEAD_FILES, budget=AHEAD_BYTES):
            batch.append(prepared)
            if len(batch) >= self._batch_limit():
                yield batch
                batch = []
        yield batch

    def _batches(
        self, sources: Iterable[Source], locate: Callable[[Source], Path], knows: Callable[[bytes], bool]
    ) -> Iterator[list[Prepared]]:
        """Files made ready, as many as fill one network pass; of identical ones only the first keeps its pixels."""
        preparation = self.preparation
        jobs = ((partial(preparation.file, source, locate(source), knows), source.size) for source in sources)
        seen: OrderedDict[bytes, None] = OrderedDict()  # a copy begun before its twin was recorded is not known yet
        batch: list[Prepared] = []
        passes = 0
        for item in prefetch(jobs, workers=self.workers, window=AHEAD_FILES, budget=AHEAD_BYTES):
            digest = item.outcome.content_hash
            if item.pixels is not None and digest in seen:
                item = Prepared(replace(item.outcome, facts=None))
            elif item.pixels is not None and digest is not None:
                seen[digest] = None
                if len(seen) > AHEAD_FILES + (2 + self._batches_ahead()) * GROUP_FILES:
                    seen.popitem(last=False)
                passes += 1
            batch.append(item)
            if len(batch) >= GROUP_FILES or (passes and passes >= self._batch_limit()):
                yield batch
                batch, passes = [], 0
        if batch:
            yield batch

    def _through(
        self, batches: Iterable[list[Item]], pixels_of: Callable[[Item], Pixels | None], top: int, count: int = 0
    ) -> Iterator[tuple[list[Item], Iterator[Embedding | PhotoError]]]:
        """Put batches through the network; yield each, in order, with the results of its items that have pixels.

        Where the engine computes by itself, further batches are submitted before an answer is waited for.
        """
        under_way: deque[tuple[list[Item], Iterator[Embedding | PhotoError]]] = deque()
        for batch in batches:
            pixels = [found for item in batch if (found := pixels_of(item)) is not None]
            under_way.append((batch, self._begin(pixels, top, count) if pixels else iter(())))
            while len(under_way) > self._batches_ahead():
                yield under_way.popleft()
        yield from under_way

    def _begin(self, pixels: Sequence[Pixels], top: int, count: int) -> Iterator[Embedding | PhotoError]:
        """Submit a batch. Its results, of which the first waits for the network."""
        engine = self.network.load().engine
        engine.expect(count, self._batch_limit())
        return self._results(engine.submit(pixels), len(pixels), top)

    def _results(self, answer: Callable[[], Floats], count: int, top: int) -> Iterator[Embedding | PhotoError]:
        features = answer()
        self.passes += count
        norms = np.linalg.norm(features.astype(np.float64), axis=1)
        for feature, norm, predicted in zip(features, norms, self.head.predict(features, top), strict=True):
            if not np.isfinite(norm) or norm == 0:
                yield PhotoError("no-embedding", "the network gave no finite embedding for this photo")
            else:
                yield Embedding((feature / norm).astype(np.float32), float(norm), predicted)

    def _batches_ahead(self) -> int:
        return self.network.loaded.engine.batches_ahead if self.network.loaded else 0

    def _batch_limit(self) -> int:
        return self._batch_size or self.network.load().engine.batch_size


def _complete(item: Prepared, results: Iterator[Embedding | PhotoError]) -> Outcome:
    """The outcome of a file, with the next of the network's results if it has pixels."""
    outcome = item.outcome
    if item.pixels is None:
        return outcome
    result = next(results)
    if isinstance(result, PhotoError):
        return replace(outcome, failure=Failure(outcome.path, result.kind, result.reason))
    return replace(outcome, embedding=result)


def _pixels(item: Pixels | PhotoError) -> Pixels | None:
    return None if isinstance(item, PhotoError) else item


def _prepare(preparation: Preparation, image: Image) -> Pixels | PhotoError:
    try:
        return preparation.image(image)
    except PhotoError as error:
        return error


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
