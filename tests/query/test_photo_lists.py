import pytest
from photos import archive

from retrieval.errors import QueryError
from retrieval.filters import Filter
from retrieval.query import photo_lists
from retrieval.store import Store


@pytest.fixture
def store(index, tmp_path):
    folder = archive(tmp_path / "a", 5)
    (folder / "deep").mkdir()
    (folder / "004.jpg").rename(folder / "deep" / "004.jpg")
    index.add(folder)
    index.close()
    opened = Store.open(index.folder)
    yield opened
    opened.close()


def test_lists_counts_and_species_are_of_the_same_photos(store, tmp_path):
    for chosen in (
        None,
        Filter(under=(str(tmp_path / "a" / "deep"),)),
        Filter(not_under=(str(tmp_path / "a" / "deep"),)),
    ):
        found = list(photo_lists.photos(store, chosen))
        assert len(found) == photo_lists.count(store, chosen)
        assert sum(one.photos for one in photo_lists.species(store, chosen)) == len(found)
    assert len(found) == 4


def test_paths_are_absolute_and_in_order(store, tmp_path):
    paths = [one.path for one in photo_lists.photos(store)]
    assert paths == sorted(paths)
    assert paths[0] == tmp_path / "a" / "000.jpg"
    assert [one.path for one in photo_lists.photos(store, reverse=True, limit=2)] == paths[::-1][:2]


def test_what_is_not_known_is_counted(store):
    assert photo_lists.without(store, "date") == photo_lists.without(store, "place") == 5


def test_a_filter_of_an_unknown_name_is_refused_at_once(store):
    with pytest.raises(QueryError):
        photo_lists.photos(store, Filter(species=("dodo",)))


def test_thumbnails_are_of_indexed_photos_alone(store, tmp_path):
    assert photo_lists.thumbnail(store, tmp_path / "a" / "001.jpg")[:2] == b"\xff\xd8"
    assert photo_lists.thumbnail(store, tmp_path / "a" / "none.jpg") is None
    assert photo_lists.thumbnail(store, tmp_path / "elsewhere.jpg") is None
