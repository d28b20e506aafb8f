"""Searching the selected rows of an index: how many lists that takes, and that nothing else is found."""

import numpy as np
import pytest

from retrieval.search import exact
from retrieval.search.ivf import selected
from retrieval.search.ivf.index import IvfIndex
from retrieval.search.recall import recall_at_k
from retrieval.search.selection import Selection
from retrieval.search.vectors import HalfVectors

N = 4000
NONE = np.empty(0, dtype=np.int64)


def recall(index: IvfIndex, vectors: HalfVectors, k: int, selection: Selection) -> float:
    """Of rows that are asked for, and held against exact search; nothing outside of the selection may be found."""
    queries = vectors[::20].astype(np.float32)
    allowed = selection.within(0, N)
    found = selected.search(index, vectors, queries, k, selection)
    if allowed is not None:
        assert np.isin(found[1][found[1] >= 0], allowed).all()
    truth = exact.search(vectors, queries, k, rows=allowed)
    return float(recall_at_k(found[1], truth, vectors, queries).mean())


@pytest.mark.parametrize("k", [1, 20, 100, 400])
def test_recall_does_not_fall_with_k(index: IvfIndex, vectors: HalfVectors, k: int) -> None:
    assert index.nprobe < index.lists
    assert recall(index, vectors, k, Selection.everything(N)) >= 0.985


@pytest.mark.parametrize("share", [0.5, 0.1, 0.02])
@pytest.mark.parametrize("filtered", [True, False])
def test_recall_does_not_fall_with_what_is_left_out(
    index: IvfIndex, vectors: HalfVectors, share: float, filtered: bool
) -> None:
    chosen = np.flatnonzero(np.random.default_rng(0).random(N) < share)
    dead = np.setdiff1d(np.arange(N), chosen)
    selection = Selection.of(N, NONE, chosen) if filtered else Selection.of(N, dead)
    assert recall(index, vectors, 20, selection) >= 0.985


def test_rows_of_one_far_list_are_found_from_anywhere(index: IvfIndex, vectors: HalfVectors) -> None:
    number, ids = max(index.inverted.ids(), key=lambda found: len(found[1]))
    far = vectors[np.argmin(vectors.astype(np.float32) @ vectors[ids[0]].astype(np.float32))][None].astype(np.float32)
    assert index.inverted.order(far)[0, -1] != index.inverted.order(far)[0, 0] != number
    _, rows = selected.search(index, vectors, far, len(ids) + 5, Selection.of(N, NONE, ids))
    assert np.sort(rows[0]).tolist() == [-1] * 5 + np.sort(ids).tolist()


def test_an_answer_is_as_long_as_there_are_rows(index: IvfIndex, vectors: HalfVectors) -> None:
    """Also where the lists that are looked into hold fewer than k."""
    queries = vectors[::400].astype(np.float32)
    assert (index.search(vectors, queries, 2500, nprobe=selected.probes_for(index, 1))[1] == -1).any()
    for k in (2500, N):
        assert (selected.search(index, vectors, queries, k, Selection.everything(N))[1] >= 0).all()
    _, rows = selected.search(index, vectors, queries, N, Selection.of(N, np.array([4, 5])))
    assert np.count_nonzero(rows == -1, axis=1).tolist() == [2] * len(rows)


def test_a_selection_without_rows_of_the_index_finds_nothing(index: IvfIndex, vectors: HalfVectors) -> None:
    queries = vectors[:3].astype(np.float32)
    for selection in (Selection.of(N, NONE, NONE), Selection.of(N + 10, NONE, np.array([N + 3]))):
        scores, rows = selected.search(index, vectors, queries, 5, selection)
        assert (rows == -1).all()
        assert (scores == -np.inf).all()


def test_more_neighbours_take_more_lists_by_the_root(index: IvfIndex) -> None:
    assert [selected.probes_for(index, k) for k in (1, 20)] == [index.nprobe] * 2
    assert selected.probes_for(index, 80) == 2 * index.nprobe
    assert index.nprobe < selected.probes_for(index, 21) <= 2 * index.nprobe


def test_fewer_rows_take_more_lists_and_filtered_ones_more_still(index: IvfIndex, vectors: HalfVectors) -> None:
    queries = vectors[:5].astype(np.float32)
    probes = []
    for share in (0.9, 0.3, 0.05):
        subset = index.subset(Selection.of(N, np.flatnonzero(np.random.default_rng(1).random(N) > share)))
        assert subset is not None
        usual = selected.subset_probes(index, queries, subset, index.nprobe, filtered=False)
        probes.append(usual)
        # So small an index is searched through for a filter.
        assert selected.subset_probes(index, queries, subset, index.nprobe, filtered=True) == subset.usable >= usual
    assert probes == sorted(probes)
    assert probes[0] < probes[-1]


def test_rows_that_came_back_are_left_out_of_the_index(index: IvfIndex, vectors: HalfVectors) -> None:
    assert len(selected.left_out(index, Selection.everything(N))) == 0
    dead = np.arange(0, N, 3)
    part = IvfIndex.build(vectors, alive=np.setdiff1d(np.arange(N), dead))
    more = N + 20  # rows behind the index are not its business
    assert selected.left_out(part, Selection.everything(more)).tolist() == dead.tolist()
    assert selected.left_out(part, Selection.of(more, dead[5:])).tolist() == dead[:5].tolist()
    assert len(selected.left_out(part, Selection.of(more, NONE, np.array([1, 2, N + 1])))) == 0
