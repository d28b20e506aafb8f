"""IVF indexes that tests build, save and load, with the settings for small sets."""

from pathlib import Path

import faiss

from retrieval.search.ivf import tuning
from retrieval.search.ivf.index import IvfIndex
from retrieval.search.ivf.settings import DEFAULTS
from retrieval.search.ivf.storage import IvfFile
from retrieval.search.targets import Targets
from retrieval.search.vectors import HalfVectors

D = 16


def build(vectors: HalfVectors, targets: Targets | None = None, *, seed: int = 0) -> IvfIndex:
    """An index of all of the vectors, tuned."""
    built = IvfIndex.build(vectors, targets, seed=seed)
    tuning.tune(built, vectors, targets or Targets(), seed=seed)
    return built


def save(index: IvfIndex, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    IvfFile(path.parent, index.faiss_index.d, DEFAULTS).save(index)


def load(path: Path, dimension: int = D, *, to_add: bool = False) -> IvfIndex:
    loaded = IvfFile(path.parent, dimension, DEFAULTS).load(to_add=to_add)
    assert loaded is not None
    return loaded


def overwrite(path: Path, index: faiss.Index) -> None:
    """Put another index there, as though it were one of 0.1.0: without checksums, and with no measurement."""
    faiss.write_index(index, str(path))
    path.with_suffix(".json").unlink(missing_ok=True)
