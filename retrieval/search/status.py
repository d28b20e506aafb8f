"""What there is to say of the search index, for people and programs to read."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from retrieval.search.measurement import Point
from retrieval.search.wishes import K

if TYPE_CHECKING:  # loads FAISS
    from retrieval.search.ivf import IvfIndex


@dataclass(frozen=True, slots=True)
class IvfStatus:
    """Where an index's IVF stands; all zeros and None where every row is searched exactly."""

    tail: int  # committed rows outside the IVF, searched exactly
    rows: int = 0  # in the IVF
    trained_rows: int = 0  # there were when its lists were made
    lists: int = 0
    nprobe: int = 0
    shortlist: int = 0  # rows scored again exactly; 0 where every score is exact
    recall: float | None = None  # as measured, at k
    target_recall: float | None = None
    k: int | None = None
    code: str | None = None  # how vectors are kept, in words
    memory_bytes: int | None = None  # held while searching, without what is mapped
    wished_memory: int | None = None
    curve: tuple[Point, ...] = ()  # the cheapest ways to rising recalls
    size_bytes: int = 0  # of ivf.faiss

    @classmethod
    def of(cls, ivf: "IvfIndex", rows: int, size_bytes: int) -> "IvfStatus":
        """Of an IVF in a folder with `rows` committed rows."""
        status = cls(
            tail=rows - ivf.rows,
            rows=ivf.size,
            trained_rows=ivf.trained_rows,
            lists=ivf.lists,
            nprobe=ivf.nprobe,
            shortlist=ivf.shortlist(K),
            size_bytes=size_bytes,
        )
        measured = ivf.measurement
        if measured is None:
            return status
        return replace(
            status,
            recall=measured.recall,
            target_recall=measured.target_recall,
            k=measured.k,
            code=measured.code,
            memory_bytes=measured.memory_bytes,
            wished_memory=measured.wished_memory,
            curve=measured.curve,
        )
