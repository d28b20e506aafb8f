"""The lists of an index, of half-precision vectors and of codes."""

from collections.abc import Callable

import numpy as np
import pytest

from retrieval.search.ivf.index import IvfIndex
from retrieval.search.ivf.inverted_lists import InvertedLists
from retrieval.search.ivf.settings import IvfSettings
from retrieval.search.vectors import HalfVectors

D = 64
N = 2000


@pytest.fixture(scope="module")
def vectors(clustered: Callable[..., HalfVectors]) -> HalfVectors:
    return clustered(N, D)


@pytest.fixture(scope="module", params=[10_000, 1_000], ids=["half", "coded"])
def lists(request: pytest.FixtureRequest, vectors: HalfVectors) -> InvertedLists:
    """Of every second row."""
    alive = np.arange(0, N, 2)
    index = IvfIndex.build(vectors, alive=alive, settings=IvfSettings(coded_from=min(request.param, 10_000) // 2))
    assert index.coded == (request.param == 1_000)
    return InvertedLists(index.faiss_index)


def test_each_row_is_in_one_list(lists: InvertedLists) -> None:
    ids = np.concatenate([ids for _, ids in lists.ids()])
    assert np.sort(ids).tolist() == list(range(0, N, 2))
    numbers = [number for number, _ in lists.ids()]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] < lists.count


def test_a_row_knows_its_list_and_the_others_none(lists: InvertedLists) -> None:
    list_of = lists.list_of(N)
    for number, ids in lists.ids():
        assert (list_of[ids] == number).all()
    assert (list_of[1::2] == -1).all()
    assert lists.list_of(11).tolist() == list_of[:11].tolist()


def test_a_vector_is_in_the_list_that_it_searches_first(lists: InvertedLists, vectors: HalfVectors) -> None:
    order = lists.order(vectors.astype(np.float32))
    assert order.shape == (N, lists.count)
    assert (np.sort(order, axis=1) == np.arange(lists.count)).all()
    assert (order[::2, 0] == lists.list_of(N)[::2]).all()


def test_the_order_is_that_of_the_centres(lists: InvertedLists, vectors: HalfVectors) -> None:
    queries = vectors[1:40:2].astype(np.float32)
    centres = lists.quantizer.reconstruct_n(0, lists.count)
    scores = np.take_along_axis(lists.rotated(queries) @ centres.T, lists.order(queries), axis=1)
    assert (np.diff(scores, axis=1) <= 1e-6).all()


def test_half_precision_lists_hold_the_vectors_themselves(lists: InvertedLists, vectors: HalfVectors) -> None:
    if lists.coded:
        assert lists.code_bytes < D
        return
    assert lists.code_bytes == 2 * D
    for number, ids in lists.ids():
        np.testing.assert_array_equal(lists.stored(number), vectors[ids])


def test_rotation_keeps_inner_products_as_far_as_axes_are_kept(lists: InvertedLists, vectors: HalfVectors) -> None:
    queries = vectors[:20].astype(np.float64)
    rotated = lists.rotated(queries)
    assert rotated.dtype == np.float32
    assert rotated.shape[1] <= D
    assert np.abs(rotated @ rotated.T - queries @ queries.T).max() < 0.15


def test_imbalance_is_1_for_equal_lists_and_2_where_twice_the_rows_are_seen() -> None:
    """Two directions: in equal numbers, or nearly all in one."""
    directions = np.eye(2, 16, dtype="<f2")
    for counts, imbalance in (((100, 100), 1.0), ((199, 1), 2 * (199**2 + 1) / 200**2)):
        index = IvfIndex.build(np.repeat(directions, 40, axis=0))
        assert index.lists == 2
        index.faiss_index.reset()
        index = IvfIndex(index.faiss_index, 0, 80)
        index.add(np.repeat(directions, counts, axis=0), 0)
        assert index.inverted.imbalance == pytest.approx(imbalance)
