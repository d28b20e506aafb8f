"""Moves images to a device and features back, on CUDA beside what it computes."""

from collections.abc import Callable

import torch
from torch import Tensor

from retrieval.engines.protocol import Floats, Images


class Transfer:
    """The way between this machine's memory and one device.

    On CUDA both directions go through pinned memory and return at once: images travel on a stream of their own while
    the batch before is computed, answers as soon as they are there. torch gives no pinned or device memory to others
    before the copies that use it are done. Elsewhere the same calls copy there and then.
    """

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self._uploads = _stream(self._device) if self._device.type == "cuda" else None

    def upload(self, images: Images, size: tuple[int, int]) -> Tensor:
        """Any number of images, none included, as one tensor (n, height, width, 3) on the device."""
        batch = torch.empty((len(images), *size, 3), dtype=torch.uint8, pin_memory=self._uploads is not None)
        for place, image in zip(batch.numpy(), images, strict=True):
            place[...] = image
        if self._uploads is None:
            return batch.to(self._device)
        with torch.cuda.stream(self._uploads):
            sent = batch.to(self._device, non_blocking=True)
        computing = torch.cuda.current_stream(self._device)
        computing.wait_stream(self._uploads)
        sent.record_stream(computing)
        return sent

    def download(self, tensor: Tensor) -> Callable[[], Floats]:
        """Begin to fetch a float tensor; the function that comes back waits for it, and raises what went wrong."""
        if self._uploads is None:
            return lambda: tensor.float().cpu().numpy()
        copy = torch.empty(tensor.shape, dtype=torch.float32, pin_memory=True)
        copy.copy_(tensor.float(), non_blocking=True)
        done = _event()
        done.record(torch.cuda.current_stream(self._device))

        def wait() -> Floats:
            done.synchronize()
            return copy.numpy()

        return wait


def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _event() -> torch.cuda.Event:
    """One whose waiters sleep: the cores have photos to decode."""
    return torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
