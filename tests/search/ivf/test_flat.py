import os
import subprocess
import sys

import numpy as np
import pytest

from retrieval.search import exact
from retrieval.search.ivf import flat


@pytest.mark.parametrize("k", [1, 7, 400])
@pytest.mark.parametrize("share", [None, 0.5, 0.01])
def test_answers_are_those_of_exact_search(clustered, k, share):
    vectors = clustered(300)
    queries = clustered(5, seed=1).astype(np.float32)
    rng = np.random.default_rng(2)
    alive = None if share is None else np.flatnonzero(rng.random(300) < share) + 100
    scores, rows = flat.search(vectors, queries, k, 100, alive)
    chosen = np.arange(100, 400) if alive is None else alive
    expected_scores, expected = exact.search(vectors[chosen - 100], queries, k)
    np.testing.assert_array_equal(rows, np.where(expected < 0, -1, chosen[np.maximum(expected, 0)]))
    np.testing.assert_allclose(scores, expected_scores, atol=1e-3)


def test_a_few_rows_anywhere_are_searched_alone(clustered):
    vectors = clustered(300)
    rows = np.array([3, 77, 290])
    scores, found = flat.search_rows(vectors, vectors[rows].astype(np.float32), 5, rows)
    assert found[:, 0].tolist() == rows.tolist()
    assert (found[:, 3:] == -1).all() and np.isneginf(scores[:, 3:]).all()


def test_nothing_is_found_where_nothing_is(clustered):
    queries = clustered(2).astype(np.float32)
    for scores, rows in (
        flat.search(clustered(5)[:0], queries, 3, 0, None),
        flat.search(clustered(5), queries, 3, 0, np.zeros(0, np.int64)),
        flat.search_rows(clustered(5), queries, 3, np.zeros(0, np.int64)),
    ):
        assert (rows == -1).all() and rows.shape == (2, 3) and np.isneginf(scores).all()


def test_damaged_vectors_are_left_out(clustered):
    vectors = clustered(20).copy()
    vectors[4] = np.nan
    _, rows = flat.search(vectors, clustered(3, seed=5).astype(np.float32), 20, 0, None)
    assert 4 not in rows


def test_threads_are_as_before_also_after_an_error():
    import faiss

    before = faiss.omp_get_max_threads()
    with pytest.raises(ZeroDivisionError), flat.threads_for(1):
        assert faiss.omp_get_max_threads() == 1
        _ = 1 / 0
    assert faiss.omp_get_max_threads() == before


SEARCH = """
import numpy as np
from retrieval.search.ivf import flat

vectors = np.eye(64, dtype=np.float16)
print(flat.search(vectors, vectors[:3].astype(np.float32), 1, 0, None)[1].tolist())
"""


def test_no_memory_is_read_that_was_freed():
    """With these settings the GNU C library overwrites what is freed; others ignore them."""
    overwriting = {"MALLOC_PERTURB_": "165", "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}
    command = [sys.executable, "-c", SEARCH]
    done = subprocess.run(command, env=os.environ | overwriting, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout) == (0, "[[0], [1], [2]]\n"), done.stderr
