"""The network run by OpenVINO on a CPU: pixels in, features out, without torch.

Faster there than torch, and started before torch is imported. In one precision the engines differ by less than storage
rounds away: on 200 bird photos through DeiT-tiny in fp32 by at most 1e-6 in a component of the unit vector, where half
precision moves one by up to 1.2e-4.
"""

from collections.abc import Callable, Sequence
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.engines.openvino.cache import Converted, converted
from retrieval.engines.openvino.core import core
from retrieval.engines.openvino.without_telemetry import openvino
from retrieval.engines.protocol import INT8, Floats
from retrieval.errors import ModelError, Remedy
from retrieval.models.lazy_checkpoint import LazyCheckpoint

IMAGES_EACH = 8  # in one pass of a core
MOST_STREAMS = 8
_HINTS = {"fp32": "f32", "bf16": "bf16"}


class OpenVinoEngine:
    """One network on the CPU.

    `precision` is "auto", "fp32" or, where the processor computes in it, "bf16"; "int8" for a network that was
    quantised. Raises ModelError if it cannot be had.
    """

    batches_ahead = 0  # one keeps every core busy

    def __init__(self, network: Converted, *, precision: str = "auto") -> None:
        possible = precisions()
        self.precision = possible[-1] if precision == "auto" else precision
        if self.precision not in (*possible, INT8):
            raise ModelError(
                f"OpenVINO computes in {' or '.join(possible)} on this processor, not in '{precision}'",
                Remedy.OTHER_PRECISION_OR_ENGINE,
            )
        self.transform = network.transform
        self._network = network
        self._requests: list[Any] = []  # made when it is known what for
        self._turn = Lock()  # a request holds one batch at a time

    @property
    def batch_size(self) -> int:
        """How many images a run should have, to keep every core busy."""
        return IMAGES_EACH * max(2, _streams())

    def expect(self, images: int, batch_size: int) -> None:
        """Nothing is worth preparing: the network is compiled at the first run, whatever comes."""

    def submit(self, images: Sequence[NDArray[np.uint8]]) -> Callable[[], Floats]:
        """Return the function that runs images, each (height, width, 3), and gives their features."""
        return lambda: self.run(np.stack(images))

    def run(self, images: NDArray[np.uint8]) -> Floats:
        """Return the features (n, d), not normalised, of RGB images (n, height, width, 3).

        Raises ValueError if the images have another size than the network.
        """
        expected = (self.transform.height, self.transform.width, 3)
        if images.dtype != np.uint8 or images.shape[1:] != expected:
            raise ValueError(f"images are {images.dtype} {images.shape[1:]}, the network takes uint8 {expected}")
        if not len(images):
            return self.run(np.zeros((1, *expected), np.uint8))[:0]
        return self.outputs(images, 1)[0]

    def outputs(self, images: NDArray[np.uint8], count: int | None = None) -> list[Floats]:
        """Return what the network's graph gives for some images, each (n, ...): its first `count` outputs, or all.

        The graph of an index in int8 that was calibrated by version 0.1.0 has logits behind the features.
        """
        with self._turn:
            requests = self._ready(len(images))
            parts = np.array_split(np.require(images, requirements=["C", "W"]), min(len(images), len(requests)))
            working = requests[: len(parts)]
            try:
                for request, part in zip(working, parts, strict=True):
                    request.start_async([openvino.Tensor(part, shared_memory=True)])
                for request in working:
                    request.wait()
            except BaseException:  # Ctrl-C: what was started would read the parts' memory after it is gone
                for request in working:
                    request.wait()
                raise
            answers = [[np.array(tensor.data) for tensor in request.output_tensors[:count]] for request in working]
        return [np.concatenate(parts) for parts in zip(*answers, strict=True)]

    def _ready(self, n: int) -> list[Any]:
        """What runs n images: all cores together for a single one, each core by itself where there are more.

        The latter saved 5 to 19 % of the time on two cores, where none waits for another.
        """
        streams = _streams() if n > 1 else 1
        if len(self._requests) < streams:
            self._requests.clear()  # before the new ones: each compiled network has a copy of the weights
            compiled = _compiled(self._network, self.precision, streams)
            self._requests = [compiled.create_infer_request() for _ in range(streams)]
        return self._requests


def start(checkpoint: LazyCheckpoint, *, device: str, precision: str) -> OpenVinoEngine:
    """Load a network from the cache, else from its checkpoint. Raises CheckpointError, and ModelError as the engine."""
    assert device in ("auto", "cpu"), "the registry knows what each engine runs on"
    return OpenVinoEngine(converted(checkpoint), precision=precision)


@cache
def precisions() -> tuple[str, ...]:
    """The precisions in which OpenVINO computes on this processor, the fastest last."""
    capabilities = core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return ("fp32", "bf16") if "BF16" in capabilities else ("fp32",)


@cache
def _streams() -> int:
    """How many images are computed side by side: one a core, up to what memory for their activations is worth."""
    return min(int(core().get_property("CPU", "RANGE_FOR_STREAMS")[1]), MOST_STREAMS)


def _compiled(network: Converted, precision: str, streams: int) -> Any:
    hint = _HINTS[precisions()[-1] if precision == INT8 else precision]
    settings = {"INFERENCE_PRECISION_HINT": hint, "NUM_STREAMS": str(streams)}
    if network.folder is not None:  # OPTIMIZE_SIZE keeps the weights out of it: they are mapped from the graph's file
        settings |= {"CACHE_DIR": str(network.folder / f"compiled-{precision}"), "CACHE_MODE": "OPTIMIZE_SIZE"}
    return core().compile_model(network.model, "CPU", settings)
