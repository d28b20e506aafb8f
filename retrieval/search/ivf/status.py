"""Describes an IVF index to those who know the protocol alone."""

from dataclasses import replace
from typing import TYPE_CHECKING

from retrieval.search.protocol import SearchStatus
from retrieval.search.targets import K

if TYPE_CHECKING:  # loads FAISS
    from retrieval.search.ivf.index import IvfIndex


def describe(ivf: "IvfIndex", rows: int, size_bytes: int) -> SearchStatus:
    """Describe an index in a set of `rows` rows, that takes so many bytes on disk."""
    shortlist = ivf.shortlist(K)
    again = f", {shortlist:,} rows scored again" if shortlist else ""
    status = SearchStatus(
        tail=rows - ivf.rows,
        rows=ivf.size,
        method=f"{ivf.nprobe:,} of {ivf.lists:,} lists searched{again}",
        storage=ivf.describe_storage(),
        memory_bytes=ivf.memory_bytes,
        size_bytes=size_bytes,
        parameters={
            "lists": ivf.lists,
            "nprobe": ivf.nprobe,
            "shortlist": shortlist,
            "trained_rows": ivf.trained_rows,
        },
    )
    measured = ivf.measurement
    if measured is None:
        return status
    return replace(
        status,
        recall=measured.recall,
        target_recall=measured.target_recall,
        k=measured.k,
        sample=measured.sample,
        target_memory_bytes=measured.target_memory_bytes,
        curve=tuple(point.neutral() for point in measured.curve),
    )
