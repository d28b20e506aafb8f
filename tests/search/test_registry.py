import numpy as np
import pytest

from retrieval.search.exact import ExactSearch
from retrieval.search.registry import search_in_folder, search_in_memory
from retrieval.search.selection import Selection
from retrieval.search.targets import Targets
from retrieval.search.vectors import VectorFile


@pytest.mark.parametrize(("limit", "exact"), [(300, True), (299, False)])
def test_few_vectors_in_memory_are_searched_exactly_and_many_by_an_index(clustered, limit, exact):
    vectors = clustered(300)
    search = search_in_memory(vectors, Targets(), exact_up_to=limit)
    assert isinstance(search, ExactSearch) == exact
    queries = vectors[:9].astype(np.float32)
    _, rows = search.search(queries, 1, Selection.everything(300))
    scores = (queries * vectors[rows[:, 0]].astype(np.float32)).sum(axis=1)
    np.testing.assert_allclose(scores, (queries @ vectors.astype(np.float32).T).max(axis=1), atol=1e-3)


def test_an_empty_folder_is_searched_exactly_and_nothing_is_written(tmp_path, clustered):
    file = VectorFile(tmp_path / "vectors.f16", 16)
    vectors = clustered(20).astype(np.float32)
    file.append(vectors, 0)
    search = search_in_folder(tmp_path, file)
    _, rows = search.search(vectors, 1, Selection.everything(20))
    assert rows[:, 0].tolist() == list(range(20))
    assert [path.name for path in tmp_path.iterdir()] == ["vectors.f16"]
