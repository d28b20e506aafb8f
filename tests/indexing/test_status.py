from photos import archive

from retrieval.indexing.status import failures, status
from retrieval.store import Store


def test_counts_sizes_and_failures_are_those_of_the_files(index, tmp_path):
    folder = archive(tmp_path / "a", 4)
    (folder / "bad.jpg").write_text("no photo")
    index.add(folder)
    store = Store.open(index.folder)
    found = status(store)
    assert (found.counts.indexed, found.counts.failed, found.counts.vectors) == (4, 1, 4)
    assert found.failures == {"not-a-photo": 1}
    assert found.roots == {"a": folder}
    assert found.size_bytes["vectors.f16"] == 4 * 32 * 2
    assert found.calibration is None
    (failure,) = failures(store)
    assert (failure.path, failure.kind) == (folder / "bad.jpg", "not-a-photo")
    store.close()


def test_an_empty_index_has_nothing(index):
    store = Store.open(index.folder)
    found = status(store)
    assert (found.counts.indexed, found.failures, found.roots, found.search.rows) == (0, {}, {}, 0)
    assert list(failures(store)) == []
    store.close()
