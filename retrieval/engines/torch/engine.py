"""The network run by torch, on a CPU, CUDA or Metal: pixels in, features out."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retrieval.engines.protocol import Floats, Images
from retrieval.engines.torch import compilation
from retrieval.engines.torch.device import choose_device, default_precision, free_memory, images_at_once
from retrieval.engines.torch.transfer import Transfer
from retrieval.errors import ModelError, Remedy
from retrieval.models.checkpoint import Checkpoint
from retrieval.models.lazy_checkpoint import LazyCheckpoint
from retrieval.models.vit import VisionTransformer

Answer = Callable[[], Floats]
_REDUCED = {"bf16": torch.bfloat16, "fp16": torch.float16}
PRECISIONS = ("fp32", *_REDUCED)
# A CUDA device must have its next batch while this process records the answers to the last.
_BATCHES_AHEAD = {"cpu": 0, "cuda": 2, "mps": 1}

logger = logging.getLogger(__name__)


class TorchEngine:
    """One network on one device.

    `device` is "auto", "cpu", "cuda", "cuda:N" or "mps"; `precision` is "auto", "fp32", "bf16" or "fp16". In a
    reduced precision, matrix products are computed by autocast: as fast as with weights stored in it, and closer
    to float32. Raises ModelError if either cannot be had here.
    """

    def __init__(self, checkpoint: Checkpoint, *, device: str = "auto", precision: str = "auto") -> None:
        self.device = choose_device(device)
        self.precision = default_precision(self.device) if precision == "auto" else precision
        if self.precision not in PRECISIONS:
            raise ModelError(
                f"there is no precision '{precision}' in torch, only auto, {', '.join(PRECISIONS)}",
                Remedy.OTHER_PRECISION,
            )
        self.transform = checkpoint.transform
        self._kind = torch.device(self.device).type
        try:
            network = checkpoint.network().to(self.device)
            self.network: VisionTransformer = network.to(memory_format=torch.channels_last)  # as the pixels come
            self._transfer = Transfer(self.device)
            self._mean, self._std = (self._channels(values) for values in (self.transform.mean, self.transform.std))
            self._at_once = images_at_once(checkpoint.config, self.device, free_memory(self.device))
        except RuntimeError as error:
            if not _out_of_memory(error):
                raise
            raise self._no_memory("the network") from error
        self._batch_limit: int | None = None  # images that fit into the device's memory, once that is known
        self._compiled: VisionTransformer | None = None
        self._compiled_for = 0  # images at once; stays where compiling failed

    @property
    def batch_size(self) -> int:
        """How many images a run should have: what keeps the device busy and fits into its free memory."""
        return min(self._at_once, self._batch_limit or self._at_once)

    @property
    def batches_ahead(self) -> int:
        """How many batches to submit beyond the one whose answer is waited for."""
        return _BATCHES_AHEAD[self._kind]

    def expect(self, images: int, batch_size: int) -> None:
        """Say that so many images will come, in batches of this size: enough of them are worth a compiled network."""
        if not self._compiled_for and compilation.worthwhile(self.device, images):
            self._compiled, self._compiled_for = compilation.compiled(self.network), batch_size

    def run(self, images: NDArray[np.uint8]) -> Floats:
        """Return the features (n, d), not normalised, of RGB images (n, height, width, 3).

        Raises what `submit` and its answer raise.
        """
        return self.submit(images)()

    def submit(self, images: Images) -> Callable[[], Floats]:
        """Begin a run, and return the function that waits for its features; a CPU computes at once.

        A batch that does not fit into the device's memory is halved until it does. Raises ModelError if a single
        image does not fit, ValueError if an image has another size than the network; the function raises
        ModelError if the device failed.
        """
        expected = (self.transform.height, self.transform.width, 3)
        for image in images:
            if image.dtype != np.uint8 or image.shape != expected:
                raise ValueError(f"images are {image.dtype} {image.shape}, the network takes uint8 {expected}")
        parts = list(self._parts(images)) or [self._forward(images)]
        return partial(self._joined, parts)

    def _parts(self, images: Images) -> Iterator[Answer]:
        start = 0
        while start < len(images):
            batch = images[start : start + (self._batch_limit or len(images))]
            answer = self._try(batch)
            if answer is None:
                self._batch_limit = len(batch) // 2
                continue
            start += len(batch)
            yield answer

    def _try(self, batch: Images) -> Answer | None:
        """The batch's answer, or None if it was too large."""
        try:
            return self._forward(batch)
        except RuntimeError as error:
            if not _out_of_memory(error):
                raise
            if len(batch) == 1:
                raise self._no_memory("a single image") from error
        self._empty_cache()  # not before the handler is left: until then the error keeps the tensors alive
        return None

    @torch.inference_mode()
    def _forward(self, batch: Images) -> Answer:
        pixels = self._transfer.upload(batch, (self.transform.height, self.transform.width))
        normalised = pixels.permute(0, 3, 1, 2).to(torch.float32).div_(255).sub_(self._mean).div_(self._std)
        with self._arithmetic():
            return self._transfer.download(self._through(normalised))

    def _through(self, normalised: Tensor) -> Tensor:
        """The features, from the compiled network where there is one for batches of this size."""
        if self._compiled is not None and len(normalised) == self._compiled_for:
            try:
                return self._compiled.features(normalised)
            except Exception as error:  # what compilers raise has no common class
                if _out_of_memory(error):
                    raise
                logger.warning("torch cannot compile the network here, it runs as it is: %s", _first_line(error))
                self._compiled = None
        return self.network.features(normalised)

    def _joined(self, parts: Sequence[Answer]) -> Floats:
        try:
            return np.concatenate([wait() for wait in parts])
        except RuntimeError as error:
            raise ModelError(f"{self.device} failed ({_first_line(error)})", Remedy.AGAIN_OR_CPU) from error

    def _arithmetic(self) -> AbstractContextManager[object]:
        if self.precision in _REDUCED:
            return torch.autocast(self._kind, _REDUCED[self.precision])
        if self._kind == "cuda":  # cuDNN would round what a float32 convolution takes to 10 bits (TF32)
            return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        return nullcontext()

    def _channels(self, values: tuple[float, float, float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self.device).view(3, 1, 1)

    def _empty_cache(self) -> None:
        if self._kind == "mps":
            torch.mps.empty_cache()
        else:
            torch.cuda.empty_cache()

    def _no_memory(self, what: str) -> ModelError:
        return ModelError(f"{self.device} has no memory left for {what}", Remedy.FREE_MEMORY_OR_CPU)


def precisions() -> tuple[str, ...]:
    """Return the precisions in which torch computes."""
    return PRECISIONS


def start(checkpoint: LazyCheckpoint, *, device: str, precision: str) -> TorchEngine:
    """Load a network on a device. Raises CheckpointError, and ModelError as the engine."""
    return TorchEngine(checkpoint.load(), device=device, precision=precision)


def _out_of_memory(error: Exception) -> bool:
    """Whether a device is full: of CUDA's libraries and of Metal, only the message tells."""
    text = str(error).lower()
    return isinstance(error, torch.cuda.OutOfMemoryError) or "out of memory" in text or "alloc_failed" in text


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
