"""What this process holds in memory, own memory and mapped files told apart. NumPy and the rest of the project apart.

Read from /proc where there is one; elsewhere nothing is known, which is said as None.
"""

import ctypes
import gc
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

SAMPLED_EVERY_S = 0.02
STATUS, MAPS = Path("/proc/self/status"), Path("/proc/self/smaps")


def own_bytes() -> int | None:
    """Resident memory that no file stands behind, after everything that can be given back was."""
    gc.collect()
    if STATUS.exists():
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc keeps what was freed
        if trim is not None:
            trim(0)
    return _anonymous()


def mapped_bytes(folder: Path) -> int | None:
    """Resident pages of the files in a folder that this process has mapped: the system may take them back any time."""
    if not MAPS.exists():
        return None
    total, counts = 0, False
    for line in MAPS.read_text(errors="surrogateescape").splitlines():
        first, _, rest = line.partition(" ")
        if not first.endswith(":"):  # the head of a mapping: addresses, rights, offset, device, inode, path
            path = rest.split(maxsplit=4)[4:]
            counts = bool(path) and Path(path[0]).is_relative_to(folder.resolve())
        elif counts and first == "Rss:":
            total += int(rest.split()[0]) * 1024
    return total


class Peak:
    """The most at one moment while this stands open, by default of own memory; use it as a context manager."""

    def __init__(self, size: Callable[[], int | None] | None = None) -> None:
        self.bytes: int | None = None
        self.samples = 0
        self._size = size or _anonymous
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Peak":
        self.bytes = self._size()
        self._watcher.start()
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._done.set()
        self._watcher.join()

    def _watch(self) -> None:
        while self.bytes is not None and not self._done.wait(SAMPLED_EVERY_S):
            self.bytes = max(self.bytes, self._size() or 0)
            self.samples += 1


def _anonymous() -> int | None:
    if not STATUS.exists():
        return None
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(lines["RssAnon"].split()[0]) * 1024 if "RssAnon" in lines else None
