"""`ivf.faiss`: a FAISS IVF index as one file, written whole or not at all, and refused unless it is ours."""

import os
from pathlib import Path

import faiss

from retrieval.durable import replacing
from retrieval.errors import IndexFormatError
from retrieval.vectors import DERIVED, naming


def write(index: faiss.IndexIVFScalarQuantizer, path: Path) -> None:
    """Replace the file; readers keep the one they opened. Raises OSError, with its name, on a full disk."""
    # FAISS gets a file that Python opened: its own `fopen` knows only paths of the local code page,
    # and loses the reason of a failed write.
    with naming(path), replacing(path) as partial, partial.open("wb") as file:
        faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))


def read(path: Path, dimension: int, *, mapped: bool) -> faiss.IndexIVFScalarQuantizer:
    """Read the file; `mapped` leaves ids and codes on disk, for searching, where the platform can.

    Raises IndexFormatError for what is broken, cut short or not an index of `dimension` numbers by inner
    product with half-precision codes, FileNotFoundError where there is nothing.
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
            return faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
        return faiss.read_index(faiss.PyCallbackIOReader(file.read))


def _mappable(path: Path) -> bool:
    """Windows could not replace a mapped file, and FAISS takes paths in UTF-8 only."""
    try:
        return os.name != "nt" and bool(str(path).encode())
    except UnicodeEncodeError:
        return False


def _foreign(index: faiss.Index, dimension: int) -> str:
    """Why an index is not one that `ivf` made; empty if it is."""
    if not isinstance(index, faiss.IndexIVFScalarQuantizer):
        return "is a FAISS index of another kind"
    if index.d != dimension:
        return f"holds vectors of {index.d} numbers instead of {dimension}"
    half = index.sq.qtype == faiss.ScalarQuantizer.QT_fp16 and not index.by_residual
    if not half or index.metric_type != faiss.METRIC_INNER_PRODUCT:
        return "compares vectors in another way"
    if not index.is_trained or index.quantizer.ntotal != index.nlist or index.nprobe < 1:
        return "was never trained"
    if index.invlists.compute_ntotal() != index.ntotal:
        return "has lost some of its vectors"
    return ""
