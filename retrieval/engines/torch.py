"""The network run by torch, on a CPU, CUDA or Metal: pixels in, features and logits out."""

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retrieval.errors import ModelError
from retrieval.models.checkpoint import Checkpoint

Floats = NDArray[np.float32]
_REDUCED = {"bf16": torch.bfloat16, "fp16": torch.float16}
PRECISIONS = ("fp32", *_REDUCED)
_BATCH_SIZES = {"cpu": 8, "cuda": 128, "mps": 32}


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
            raise ModelError(f"There is no precision '{precision}'. Choose one of: auto, {', '.join(PRECISIONS)}.")
        self.transform = checkpoint.transform
        try:
            self.network = checkpoint.network().to(self.device)
        except torch.cuda.OutOfMemoryError as error:
            raise ModelError(self._no_memory("the network")) from error
        self._mean = self._channels(checkpoint.transform.mean)
        self._std = self._channels(checkpoint.transform.std)
        self._batch_limit: int | None = None  # images that fit into the device's memory, once that is known

    @property
    def batch_size(self) -> int:
        """How many images a run should have, to keep the device busy."""
        return _BATCH_SIZES[torch.device(self.device).type]

    def run(self, images: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Features (n, d), not normalised, and logits (n, classes) of RGB images (n, height, width, 3).

        A batch that does not fit into the device's memory is halved until it does. Raises ModelError if a single
        image does not fit, ValueError if the images have another size than the network.
        """
        expected = (self.transform.height, self.transform.width, 3)
        if images.dtype != np.uint8 or images.shape[1:] != expected:
            raise ValueError(f"images are {images.dtype} {images.shape[1:]}, the network takes uint8 {expected}")
        parts = list(self._parts(images)) or [self._forward(images)]
        features, logits = zip(*parts, strict=True)
        return np.concatenate(features), np.concatenate(logits)

    def _parts(self, images: NDArray[np.uint8]) -> Iterator[tuple[Floats, Floats]]:
        start = 0
        while start < len(images):
            batch = images[start : start + (self._batch_limit or len(images))]
            result = self._try(batch)
            if result is None:
                self._batch_limit = len(batch) // 2
                continue
            start += len(batch)
            yield result

    def _try(self, batch: NDArray[np.uint8]) -> tuple[Floats, Floats] | None:
        """The batch's results, or None if it was too large."""
        try:
            return self._forward(batch)
        except torch.cuda.OutOfMemoryError as error:
            if len(batch) == 1:
                raise ModelError(self._no_memory("a single image")) from error
        torch.cuda.empty_cache()  # not before the handler is left: until then the error keeps the tensors alive
        return None

    @torch.inference_mode()
    def _forward(self, batch: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        pixels = torch.from_numpy(np.ascontiguousarray(batch)).to(self.device).permute(0, 3, 1, 2)
        normalised = (pixels.to(torch.float32) / 255 - self._mean) / self._std
        with self._arithmetic():
            features, logits = self.network(normalised)
        return features.float().cpu().numpy(), logits.float().cpu().numpy()

    def _arithmetic(self) -> AbstractContextManager[object]:
        kind = torch.device(self.device).type
        if self.precision in _REDUCED:
            return torch.autocast(kind, _REDUCED[self.precision])
        if kind == "cuda":  # cuDNN would round what a float32 convolution takes to 10 bits (TF32)
            return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        return nullcontext()

    def _channels(self, values: tuple[float, float, float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self.device).view(3, 1, 1)

    def _no_memory(self, what: str) -> str:
        return f"{self.device} has no memory left for {what}. Close what else uses it, or choose --device cpu."


def choose_device(name: str) -> str:
    """The device that a name means here; "auto" is CUDA, else Metal, else the CPU.

    Raises ModelError if there is no such device.
    """
    kind, _, number = name.partition(":")
    if kind == "auto" and not number:
        return "cuda" if _cuda_devices()[0] else "mps" if torch.backends.mps.is_available() else "cpu"
    if kind == "cuda" and (not number or number.isdecimal()):
        count, reason = _cuda_devices()
        if int(number or 0) < count:
            return name
        found = f"CUDA devices here: {count}" if count else f"no CUDA device is usable here{reason}"
        raise ModelError(f"There is no device '{name}': {found}. Choose another with --device, or cpu.")
    if kind == "mps" and not number and not torch.backends.mps.is_available():
        raise ModelError("There is no device 'mps': Metal is not available here. Choose --device cpu.")
    if name in ("cpu", "mps"):
        return name
    raise ModelError(f"'{name}' is no device. Choose one of: auto, cpu, cuda, cuda:N, mps.")


def default_precision(device: str) -> str:
    """The fastest precision that the device has in hardware and that keeps the embedding: fp32 but on CUDA."""
    if torch.device(device).type != "cuda":
        return "fp32"
    return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp16"  # bf16 came with Ampere


def _cuda_devices() -> tuple[int, str]:
    """How many there are, CUDA_VISIBLE_DEVICES considered, and, if none, what torch says about it."""
    with warnings.catch_warnings(record=True) as caught:  # torch warns where a driver is too old
        warnings.simplefilter("always")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if torch.version.cuda is None and torch.version.hip is None:
        return 0, " (this torch was built without CUDA)"
    reason = str(caught[0].message).partition("\n")[0] if caught and not count else ""
    return count, f" ({reason})" if reason else ""
