"""Which kind of device "auto" means on this machine, found without loading torch where that is possible."""

import ctypes
import os
import platform
import sys
from pathlib import Path


def default_device() -> str:
    """Return "cuda" or "mps" where torch can use such a device, else "cpu". Loads torch only where a driver is."""
    if not _has_driver():
        return "cpu"
    from retrieval.engines.torch.device import choose_device

    return choose_device("auto")


def _has_driver() -> bool:
    """Tell whether there is a driver that torch could use."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return Path("/dev/kfd").exists()  # AMD's driver
    return True
