import faiss
import numpy as np
import pytest

from retrieval.search.ivf import training
from retrieval.search.ivf.settings import IvfSettings
from retrieval.search.targets import Targets


@pytest.mark.parametrize(("n", "lists"), [(0, 1), (38, 1), (78, 2), (10_000, 256), (1_000_000, 4_000)])
def test_lists_grow_with_the_root_and_have_39_vectors_each(n, lists):
    assert training.lists_for(n) == lists


def test_no_more_rows_are_trained_on_than_there_are_and_than_pays():
    assert training.training_rows(50) == 40
    assert training.training_rows(10_000) == 10_000
    assert training.training_rows(10**8) == training.MOST_TRAINING_ROWS


def test_numbers_that_are_none_become_0_and_others_are_not_copied():
    whole = np.ones((3, 4), np.float16)
    assert training.finite(whole) is whole
    damaged = np.array([[1, np.nan], [np.inf, -np.inf]], np.float16)
    assert training.finite(damaged).tolist() == [[1, 0], [0, 0]]


@pytest.mark.parametrize(("coded_from", "coded"), [(10_000, False), (1_000, True)])
def test_large_sets_are_coded_and_small_ones_are_not(clustered, coded_from, coded):
    vectors = clustered(2_000, 64)
    index = training.train(vectors, 2_000, Targets(), IvfSettings(coded_from=coded_from), seed=1)
    assert training.is_coded(index) == coded
    assert training.lists_of(index).nlist == training.lists_for(2_000)
    assert training.lists_of(index).metric_type == faiss.METRIC_INNER_PRODUCT
    assert ("axes" in training.describe(index)) == coded
    assert (index.ntotal, index.d) == (0, 64)


def test_where_codes_do_not_fit_into_memory_vectors_stay_mapped(clustered):
    settings = IvfSettings(coded_from=1_000)
    index = training.train(clustered(2_000, 64), 2_000, Targets(memory_bytes=1), settings, seed=1)
    assert not training.is_coded(index)


def test_vectors_that_are_no_numbers_do_not_end_the_process(clustered):
    vectors = clustered(2_000, 64).copy()
    vectors[::7] = np.nan
    index = training.train(vectors, 2_000, Targets(), IvfSettings(coded_from=1_000), seed=1)
    assert training.lists_of(index).is_trained
