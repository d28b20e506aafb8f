import pytest
from photos import archive

from retrieval.errors import ArchiveError, IndexFormatError, QueryError
from retrieval.indexing.settings import optimise, relocate
from retrieval.store import Store


@pytest.fixture
def store(index, tmp_path):
    index.add(archive(tmp_path / "a", 30))
    index.close()
    opened = Store.open(index.folder)
    yield opened
    opened.close()


def test_a_target_that_is_left_out_stays_as_it_was(store):
    assert optimise(store, 0.9, None).target_recall == 0.9
    found = optimise(store, None, 10**9)
    assert (found.target_recall, found.target_memory_bytes) == (0.9, 10**9)
    assert store.search.targets().recall == 0.9


@pytest.mark.parametrize(("recall", "memory"), [(0, None), (2, None), (float("nan"), None), (None, -1)])
def test_targets_that_cannot_be_change_nothing(store, recall, memory):
    before = store.search.targets()
    with pytest.raises(QueryError):
        optimise(store, recall, memory)
    assert store.search.targets() == before


def test_a_root_is_found_at_its_new_place(store, tmp_path):
    (tmp_path / "a").rename(tmp_path / "b")
    relocate(store, "a", tmp_path / "b")
    assert Store.open(store.folder).manifest.roots == {"a": tmp_path / "b"}


def test_unknown_roots_and_missing_folders_are_refused(store, tmp_path):
    with pytest.raises(IndexFormatError, match="its roots are: a"):
        relocate(store, "birds", tmp_path / "a")
    with pytest.raises(ArchiveError):
        relocate(store, "a", tmp_path / "none")
    assert store.manifest.roots == {"a": tmp_path / "a"}
