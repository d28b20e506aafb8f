"""`ivf.faiss`: a FAISS IVF index and its checksums in one file, written whole or not at all, and refused unless it is
the one that was written.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import faiss

from retrieval.durable import replacing
from retrieval.errors import IndexFormatError, Remedy
from retrieval.search.ivf.checksums import CheckedFile, Summing, damaged
from retrieval.search.ivf.training import is_coded, list_bytes, lists_of


@dataclass(frozen=True, slots=True)
class Written:
    """Digests of a file that was written, in hexadecimal digits."""

    sha256: str  # of all of it
    checksums: str  # of the checksums in it


def write(index: faiss.Index, path: Path) -> Written:
    """Replace the file; readers keep the one they opened. Raises StorageError on a full disk."""
    sha256, summing = hashlib.sha256(), Summing()
    # FAISS gets a file that Python opened: its own `fopen` knows only paths of the local code page,
    # and loses the reason of a failed write.
    with replacing(path) as partial, partial.open("wb") as file:

        def put(data: bytes) -> int:
            sha256.update(data)
            summing.update(data)
            return file.write(data)

        faiss.write_index(index, faiss.PyCallbackIOWriter(put))
        # Lists come last in the file. Half-precision ones are mapped, and checked when they are searched.
        footer = summing.footer(lazy_bytes=0 if is_coded(index) else list_bytes(index))
        sha256.update(footer.contents)
        file.write(footer.contents)
    return Written(sha256.hexdigest(), footer.digest)


def hash_file(path: Path) -> str:
    """Return the SHA-256 of the file as it is, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(
    path: Path, dimension: int, *, mapped: bool, checksums: bool = False
) -> tuple[faiss.Index, CheckedFile | None]:
    """Read the file; `mapped` leaves half-precision lists on disk, for searching, where the platform can.

    With it come its checksums, None if it was written by 0.1.0, which had none; `checksums` says that it has to have
    them. All has been checked by them but lists that were left on disk. Raises IndexFormatError for what is damaged,
    cut short or not an index of `dimension` numbers by inner product as `training` makes them, FileNotFoundError where
    there is nothing.
    """
    checked = CheckedFile.open(path)
    if checked is None and checksums:
        raise damaged(path)
    if checked is not None:
        checked.check_first(checked.eager if mapped and _mappable(path) else checked.size)
    try:
        index = _read(path, mapped)
    except (RuntimeError, MemoryError) as error:
        raise IndexFormatError(f"{path} is broken, or no FAISS index", Remedy.REPAIR) from error
    foreign = _foreign(index, dimension)
    if foreign:
        raise IndexFormatError(f"{path} {foreign}", Remedy.REPAIR)
    return index, checked


def _read(path: Path, mapped: bool) -> faiss.Index:
    with path.open("rb") as file:
        if mapped and _mappable(path):
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
            _without_prefetching(index)
            return index
        return faiss.read_index(faiss.PyCallbackIOReader(file.read))


def _without_prefetching(index: faiss.Index) -> None:
    """Keep FAISS from starting 32 threads a search to fetch mapped lists: a millisecond for a twentieth of the work."""
    lists = getattr(lists_of(index), "invlists", None)
    lists = faiss.downcast_InvertedLists(lists) if lists is not None else None
    if isinstance(lists, faiss.OnDiskInvertedLists):
        lists.prefetch_nthread = 0


def _mappable(path: Path) -> bool:
    """Tell whether a file can be mapped: Windows could not replace it then, and FAISS takes paths in UTF-8 only."""
    try:
        return os.name != "nt" and bool(str(path).encode())
    except UnicodeEncodeError:
        return False


def _foreign(index: faiss.Index, dimension: int) -> str:
    """Say why an index is not one that `training` made; empty if it is."""
    lists = lists_of(index)
    rotated = isinstance(index, faiss.IndexPreTransform)
    if not isinstance(lists, faiss.IndexIVFPQFastScan if rotated else faiss.IndexIVFScalarQuantizer):
        return "is a FAISS index of another kind"
    if index.d != dimension:
        return f"holds vectors of {index.d} numbers instead of {dimension}"
    if lists.metric_type != faiss.METRIC_INNER_PRODUCT or not (_is_residual(index) if rotated else _is_half(lists)):
        return "compares vectors in another way"
    if not lists.is_trained or lists.quantizer.ntotal != lists.nlist or lists.nprobe < 1:
        return "was never trained"
    if not lists.invlists.compute_ntotal() == lists.ntotal == index.ntotal:
        return "has lost some of its vectors"
    return ""


def _is_half(lists: faiss.IndexIVFScalarQuantizer) -> bool:
    return lists.sq.qtype == faiss.ScalarQuantizer.QT_fp16 and not lists.by_residual


def _is_residual(index: faiss.IndexPreTransform) -> bool:
    lists = lists_of(index)
    plain = index.chain.size() == 1 and isinstance(
        faiss.downcast_VectorTransform(index.chain.at(0)), faiss.LinearTransform
    )
    return plain and lists.by_residual and lists.pq.nbits == 4
