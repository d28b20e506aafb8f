import faiss
import numpy as np
import pytest

from retrieval.search.ivf.subset import Subset

LISTS = 8


@pytest.fixture
def quantizer(clustered):
    made = faiss.IndexFlatIP(16)
    made.add(clustered(LISTS, seed=4).astype(np.float32))
    return made


def subset(seed, share):
    rng = np.random.default_rng(seed)
    list_of = rng.integers(-1, LISTS, 400)
    mask = rng.random(500) < share  # of rows beyond the index, too
    return Subset(mask, list_of, LISTS), mask[:400], list_of


def test_it_counts_the_rows_that_the_index_has():
    found, mask, list_of = subset(0, 0.2)
    assert found.size == np.count_nonzero(mask & (list_of >= 0))
    assert found.usable == len(set(list_of[mask & (list_of >= 0)].tolist()))


@pytest.mark.parametrize("share", [0.01, 0.1, 0.9])
@pytest.mark.parametrize("wanted", [1, 5, 100, 10_000])
def test_so_many_lists_show_every_query_as_many_rows_as_it_wants(quantizer, clustered, share, wanted):
    found, mask, list_of = subset(1, share)
    queries = clustered(6, seed=5).astype(np.float32)
    nprobe = found.nprobe(quantizer, queries, wanted)
    assert 1 <= nprobe <= found.usable
    counts = np.bincount(list_of[mask & (list_of >= 0)], minlength=LISTS)
    order = quantizer.search(queries, LISTS)[1]
    for row in order:
        usable = [number for number in row if counts[number]][:nprobe]
        seen = counts[usable].sum()
        assert seen >= min(wanted, found.size)
    if nprobe > 1:  # one list fewer would not do for some query
        fewer = [counts[[n for n in row if counts[n]][: nprobe - 1]].sum() for row in order]
        assert min(fewer) < wanted
