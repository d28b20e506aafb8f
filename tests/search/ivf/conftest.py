"""An index of 4,000 vectors that several test modules look at; they do not change it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from ivf_indexes import D, build, save

from retrieval.search.ivf.index import IvfIndex
from retrieval.search.vectors import HalfVectors


@pytest.fixture(scope="session")
def vectors(clustered: Callable[..., HalfVectors]) -> HalfVectors:
    return clustered(4000, D)


@pytest.fixture(scope="session")
def index(vectors: HalfVectors) -> IvfIndex:
    return build(vectors)


@pytest.fixture
def saved(tmp_path: Path, index: IvfIndex) -> Path:
    """The file of that index."""
    save(index, tmp_path / "ivf.faiss")
    return tmp_path / "ivf.faiss"
