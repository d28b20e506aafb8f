"""`ivf.faiss`: a FAISS IVF index as one file, written whole or not at all, and refused unless it is ours."""

import hashlib
import os
from pathlib import Path

import faiss

from retrieval.durable import replacing
from retrieval.errors import IndexFormatError
from retrieval.search.codes import lists_of
from retrieval.search.vectors import DERIVED

Digest = str  # SHA-256, in hexadecimal digits


def write(index: faiss.Index, path: Path) -> Digest:
    """Replace the file; readers keep the one they opened. Raises StorageError on a full disk."""
    digest = hashlib.sha256()
    # FAISS gets a file that Python opened: its own `fopen` knows only paths of the local code page,
    # and loses the reason of a failed write.
    with replacing(path) as partial, partial.open("wb") as file:

        def put(data: bytes) -> int:
            digest.update(data)
            return file.write(data)

        faiss.write_index(index, faiss.PyCallbackIOWriter(put))
    return digest.hexdigest()


def hash_file(path: Path) -> Digest:
    """The digest of the file as it is."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path: Path, dimension: int, *, mapped: bool) -> faiss.Index:
    """Read the file; `mapped` leaves half-precision codes on disk, for searching, where the platform can.

    Raises IndexFormatError for what is broken, cut short or not an index of `dimension` numbers by inner
    product as `codes` makes them, FileNotFoundError where there is nothing.
    """
    try:
        index = _read(path, mapped)
    except (RuntimeError, MemoryError) as error:
        raise IndexFormatError(f"{path} is broken, or no FAISS index; {DERIVED}") from error
    foreign = _foreign(index, dimension)
    if foreign:
        raise IndexFormatError(f"{path} {foreign}; {DERIVED}")
    return index


def _read(path: Path, mapped: bool) -> faiss.Index:
    with path.open("rb") as file:
        if mapped and _mappable(path):
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
            _without_prefetching(index)
            return index
        return faiss.read_index(faiss.PyCallbackIOReader(file.read))


def _without_prefetching(index: faiss.Index) -> None:
    """Mapped lists start 32 threads for each search to fetch them: a millisecond for what takes a twentieth of it."""
    lists = getattr(lists_of(index), "invlists", None)
    lists = faiss.downcast_InvertedLists(lists) if lists is not None else None
    if isinstance(lists, faiss.OnDiskInvertedLists):
        lists.prefetch_nthread = 0


def _mappable(path: Path) -> bool:
    """Windows could not replace a mapped file, and FAISS takes paths in UTF-8 only."""
    try:
        return os.name != "nt" and bool(str(path).encode())
    except UnicodeEncodeError:
        return False


def _foreign(index: faiss.Index, dimension: int) -> str:
    """Why an index is not one that `codes` made; empty if it is."""
    lists = lists_of(index)
    turned = isinstance(index, faiss.IndexPreTransform)
    if not isinstance(lists, faiss.IndexIVFPQFastScan if turned else faiss.IndexIVFScalarQuantizer):
        return "is a FAISS index of another kind"
    if index.d != dimension:
        return f"holds vectors of {index.d} numbers instead of {dimension}"
    if lists.metric_type != faiss.METRIC_INNER_PRODUCT or not (_is_coded(index) if turned else _is_half(lists)):
        return "compares vectors in another way"
    if not lists.is_trained or lists.quantizer.ntotal != lists.nlist or lists.nprobe < 1:
        return "was never trained"
    if not lists.invlists.compute_ntotal() == lists.ntotal == index.ntotal:
        return "has lost some of its vectors"
    return ""


def _is_half(lists: faiss.IndexIVFScalarQuantizer) -> bool:
    return lists.sq.qtype == faiss.ScalarQuantizer.QT_fp16 and not lists.by_residual


def _is_coded(index: faiss.IndexPreTransform) -> bool:
    lists = lists_of(index)
    plain = index.chain.size() == 1 and isinstance(
        faiss.downcast_VectorTransform(index.chain.at(0)), faiss.LinearTransform
    )
    return plain and lists.by_residual and lists.pq.nbits == 4
