"""Which folders have a disk mounted on them: their device is another than that of the folder they lie in."""

import os
from collections.abc import Callable
from pathlib import Path

DeviceOf = Callable[[Path], int]


def device_of(path: Path) -> int:
    """Return the number of the device that a file or folder lies on. Raises OSError."""
    return os.lstat(path).st_dev


def is_mount(path: Path, device_of: DeviceOf = device_of) -> bool:
    """Tell whether a disk is mounted on a folder; False for a folder that is missing or cannot be reached.

    Bind mounts of a folder on the same disk are not told from plain folders.
    """
    try:
        return device_of(path) != device_of(path.parent)
    except OSError:
        return False
