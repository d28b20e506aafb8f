"""Targets that cannot be reached are refused, by everything that takes them, before anything is written."""

from pathlib import Path

import pytest
from photos import archive

from retrieval import Index
from retrieval.errors import QueryError
from retrieval.search.targets import MEMORY_SHARE, Targets, machine_memory

NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize("recall", [NAN, INFINITY, -INFINITY, 0, -0.5, 1.0001, 2, "0.9", None, True])
def test_a_recall_lies_above_0_and_at_most_1(recall: object) -> None:
    with pytest.raises(QueryError, match=r"recall is .*: it must be a number above 0 and at most 1"):
        Targets(recall)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, -1, 1.5, NAN, "2GB", True])
def test_a_memory_limit_is_a_positive_number_of_bytes(size: object) -> None:
    with pytest.raises(QueryError, match=r"memory_bytes is .*: it must be a whole number of at least 1"):
        Targets(memory_bytes=size)  # type: ignore[arg-type]


@pytest.mark.parametrize("k", [0, -1, 2.5, None])
def test_k_is_a_positive_number(k: object) -> None:
    with pytest.raises(QueryError, match=r"k is .*: it must be a whole number of at least 1"):
        Targets(k=k)  # type: ignore[arg-type]


def test_without_a_limit_it_is_a_quarter_of_the_memory() -> None:
    assert Targets().memory_limit == machine_memory() // MEMORY_SHARE
    assert Targets(1, 1, 5).memory_limit == 5


@pytest.mark.parametrize("target", [{"recall": NAN}, {"recall": 2}, {"recall": 0}, {"memory_bytes": -1}])
def test_an_index_refuses_them_and_stays_as_it_is(index: Index, tmp_path: Path, target: dict[str, float]) -> None:
    index.add(archive(tmp_path / "archive", 5))
    before = {path.name: path.read_bytes() for path in index.folder.iterdir() if path.name.startswith("ivf")}
    assert before
    with pytest.raises(QueryError):
        index.optimise(**target)  # type: ignore[arg-type]
    assert {path.name: path.read_bytes() for path in index.folder.iterdir() if path.name.startswith("ivf")} == before


def test_indexing_refuses_an_impossible_limit_before_it_reads_a_photo(index: Index, tmp_path: Path) -> None:
    folder = archive(tmp_path / "archive", 3)
    with pytest.raises(QueryError, match="memory_bytes is -1"):
        index.add(folder, memory_bytes=-1)
    assert index.status().counts.indexed == 0
    assert index.roots == {}
