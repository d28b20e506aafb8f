"""Thresholds of the IVF index: from which size on another way of storing, searching or updating it pays."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IvfSettings:
    """The defaults were measured; tests choose small numbers."""

    # Storing
    coded_from: int = 20_000  # rows: below, half precision is as fast as product codes
    block_floats: int = 16 * 2**20  # decoded at a time: 64 MB in single precision
    # Searching
    few_rows: int = 5_000  # rows that a filter leaves: scoring each of them is fastest
    filtered_rows: int = 50_000  # selected rows that a filtered search looks at: distant lists are hard to tell apart
    gpu_queries: int = 256  # queries from which on a search is worth a GPU
    gpu_rows: int = 20_000  # rows whose neighbours are wanted: with fewer, copying the vectors takes longer
    checked_ahead: int = 64  # blocks of a file on disk that a search checks for later ones: 4 MB, half a millisecond
    # Updating
    small_rows: int = 10_000  # rows: up to here rebuilding the index takes about a second
    least_tail: int = 2_000  # rows of a large index's tail: exact search takes a fraction of a millisecond for them ...
    tail_per_root: int = 10  # ... or 10 sqrt(n): 10,000 rows at a million, half a millisecond


DEFAULTS = IvfSettings()
