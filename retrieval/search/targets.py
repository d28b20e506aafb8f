"""What a search index is built for: the recall to reach and the memory it may hold. How, is for each engine to say."""

import math
import os
from dataclasses import dataclass

from retrieval.errors import QueryError

RECALL = 0.99
K = 20  # neighbours that recall is measured for
MEMORY_SHARE = 4  # a quarter of the machine's memory, unless told otherwise


@dataclass(frozen=True, slots=True)
class Targets:
    """The recall to reach, and the memory that search may hold; files that are only mapped do not count.

    Raises QueryError for a recall outside of (0, 1] or numbers that are not positive integers.
    """

    recall: float = RECALL  # share of the k nearest that a query has to find, above 0 and at most 1
    k: int = K
    memory_bytes: int | None = None  # None: a quarter of the machine's

    def __post_init__(self) -> None:
        if not _is_number(self.recall) or not 0 < self.recall <= 1:
            raise QueryError(f"recall is {self.recall!r}: it must be a number above 0 and at most 1")
        if not _is_positive(self.k):
            raise QueryError(f"k is {self.k!r}: it must be a whole number of at least 1")
        if self.memory_bytes is not None and not _is_positive(self.memory_bytes):
            raise QueryError(f"memory_bytes is {self.memory_bytes!r}: it must be a whole number of at least 1")

    @property
    def memory_limit(self) -> int:
        """The bound on memory in bytes, also where none was asked for."""
        return self.memory_bytes if self.memory_bytes is not None else machine_memory() // MEMORY_SHARE


def machine_memory() -> int:
    """Bytes of memory of this machine; 8 GB where the platform does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows
        return 8 * 10**9


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
