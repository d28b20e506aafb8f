"""What a user may ask of the search index; how it is reached is left to `codes` and `tuning`."""

import os
from dataclasses import dataclass

TARGET_RECALL = 0.99
K = 20  # where recall is measured
MEMORY_SHARE = 4  # a quarter of the machine's memory, unless told otherwise


@dataclass(frozen=True, slots=True)
class Wishes:
    """The recall to reach, and the memory that search may hold; files that are only mapped do not count."""

    target_recall: float = TARGET_RECALL  # of the k nearest, 0 to 1
    k: int = K
    memory_bytes: int | None = None  # None: a quarter of the machine's

    @property
    def memory(self) -> int:
        """The bound in bytes."""
        return self.memory_bytes if self.memory_bytes is not None else machine_memory() // MEMORY_SHARE


def machine_memory() -> int:
    """Bytes of memory of this machine; 8 GB where the platform does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows
        return 8 * 10**9
