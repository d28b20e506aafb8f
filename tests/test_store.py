import pytest
from photos import archive

from retrieval.catalogue.criteria import Criteria, Folder
from retrieval.errors import IndexFormatError, IndexNotFoundError, IndexProblem
from retrieval.store import KEPT_SELECTIONS, Store


@pytest.fixture
def store(index, tmp_path):
    index.add(archive(tmp_path / "a", 6))
    opened = Store.open(index.folder)
    yield opened
    opened.close()


def test_a_selection_is_one_object_until_the_catalogue_changes(store, index, tmp_path):
    with store.snapshot() as now:
        first = now.selection()
        assert now.selection() is first
    with store.snapshot() as now:
        assert now.selection() is first
    (tmp_path / "a" / "000.jpg").unlink()
    index.add()
    with store.snapshot() as now:
        assert now.selection() is not first
        assert (first.alive, now.selection().alive) == (6, 5)


def test_the_last_selections_are_kept(store):
    def criteria(number):
        return Criteria(under=(Folder("a", f"none {number}"),))

    with store.snapshot() as now:
        first = now.selection(criteria(0))
        for number in range(1, KEPT_SELECTIONS):
            now.selection(criteria(number))
        assert now.selection(criteria(0)) is first
        for number in range(1, KEPT_SELECTIONS + 1):
            now.selection(criteria(number))
        assert now.selection(criteria(0)) is not first


def test_hidden_species_are_left_out_of_a_selection(store):
    with store.snapshot() as now:
        everything = now.selection()
        species = now.catalogue.photos.species()
        assert now.selection(hidden_species=species).alive == 0
        hidden = len(now.catalogue.photos.rows_of_species(species[:1]))
        assert now.selection(hidden_species=species[:1]).alive == everything.alive - hidden


def test_what_is_no_index_is_refused(store, tmp_path, index):
    with pytest.raises(IndexNotFoundError):
        Store.open(tmp_path)
    with pytest.raises(IndexProblem):
        Store.create(store.folder, store.manifest.model, index.embedder.head)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "diary.txt").touch()
    with pytest.raises(IndexFormatError):
        Store.create(tmp_path / "other", store.manifest.model, index.embedder.head)


def test_sizes_are_those_of_the_files(store):
    sizes = store.size_bytes()
    assert sizes["vectors.f16"] == (store.folder / "vectors.f16").stat().st_size == 6 * 32 * 2
