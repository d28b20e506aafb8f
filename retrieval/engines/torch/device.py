"""What torch can run on here: names to devices, and what each computes in and holds."""

import warnings

import torch

from retrieval.errors import ModelError, Remedy
from retrieval.models.vit import VitConfig

_MOST_IMAGES = {"cpu": 8, "cuda": 256, "mps": 32}
_MOST_TOKENS = 128 * 581  # of the flagship 128 images: estimated, not measured, to be plenty for any CUDA device
_MEMORY_SHARE = 0.5  # of what is free: others use the device, too, and blocks of memory fit badly


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
        raise ModelError(f"there is no device '{name}': {found}", Remedy.OTHER_DEVICE)
    if kind == "mps" and not number and not torch.backends.mps.is_available():
        raise ModelError("there is no device 'mps': Metal is not available here", Remedy.CPU)
    if name in ("cpu", "mps"):
        return name
    raise ModelError(f"'{name}' is not a device; these are: auto, cpu, cuda, cuda:N, mps", Remedy.OTHER_DEVICE)


def default_precision(device: str) -> str:
    """The fastest precision that the device has in hardware and that keeps the embedding: fp32 but on CUDA."""
    if torch.device(device).type != "cuda":
        return "fp32"
    return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp16"  # bf16 came with Ampere


def free_memory(device: str) -> int | None:
    """Bytes that are free on a device with memory of its own; None for others, which swap rather than fail."""
    return torch.cuda.mem_get_info(device)[0] if torch.device(device).type == "cuda" else None


def images_at_once(config: VitConfig, device: str, free_bytes: int | None) -> int:
    """How many images keep a device busy, as far as so much free memory holds them; at least one."""
    busy = max(1, min(_MOST_IMAGES[torch.device(device).type], _MOST_TOKENS // config.tokens))
    if free_bytes is None:
        return busy
    return max(1, min(busy, int(free_bytes * _MEMORY_SHARE) // bytes_an_image(config)))


def bytes_an_image(config: VitConfig) -> int:
    """What an image takes at the widest place of the network, in float32: an upper bound for all precisions.

    That is within the MLP: the residual stream, its norm and the hidden layer before and after its activation.
    The pixels, as bytes and scaled, are there all along.
    """
    height, width = config.image_size
    attention = 6 * config.width  # the stream, its norm, queries, keys, values and the answer
    mlp = 2 * config.width + 2 * config.mlp_width
    return 4 * config.tokens * max(attention, mlp) + 3 * height * width * (1 + 4)


def _cuda_devices() -> tuple[int, str]:
    """How many there are, CUDA_VISIBLE_DEVICES considered, and, if none, what torch says about it."""
    with warnings.catch_warnings(record=True) as caught:  # torch warns where a driver is too old
        warnings.simplefilter("always")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if torch.version.cuda is None and torch.version.hip is None:
        return 0, " (this torch was built without CUDA)"
    reason = str(caught[0].message).partition("\n")[0] if caught and not count else ""
    return count, f" ({reason})" if reason else ""
