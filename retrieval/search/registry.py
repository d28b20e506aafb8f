"""Which engine searches what: the one place where an engine is chosen."""

from pathlib import Path

from retrieval.search.exact import ExactSearch
from retrieval.search.ivf.search import IvfSearch
from retrieval.search.ivf.settings import DEFAULTS, IvfSettings
from retrieval.search.ivf.storage import IvfFile, IvfInMemory
from retrieval.search.protocol import VectorSearch
from retrieval.search.targets import Targets
from retrieval.search.vectors import HalfVectors, VectorArray, VectorFile

EXACT_UP_TO = 20_000  # rows in memory: for more, an index pays even for one pass over all of them


def search_in_folder(folder: Path, vectors: VectorFile, settings: IvfSettings = DEFAULTS) -> VectorSearch:
    """Search the vectors of an index by the search index in its folder; nothing is read until the first search."""
    return IvfSearch(vectors, IvfFile(folder, vectors.dimension, settings), settings)


def search_in_memory(vectors: HalfVectors, targets: Targets, exact_up_to: int = EXACT_UP_TO) -> VectorSearch:
    """Search (n, d) vectors that are not stored: exactly, or by an index that is built now, for more than a few."""
    source = VectorArray(vectors)
    if len(vectors) <= exact_up_to:
        return ExactSearch(source, targets)
    search = IvfSearch(source, IvfInMemory())
    search.rebuild(len(vectors), targets=targets)
    return search
