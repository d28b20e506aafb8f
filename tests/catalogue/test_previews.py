import pytest
from catalogues import contents, sql

from retrieval.catalogue.previews import IdRange
from retrieval.records import Preview

RULES = 1


def test_previews_of_contents(store):
    ids = store.catalogue.contents.live()[0].tolist()
    previews = store.catalogue.previews.of(ids)
    assert set(previews) == set(ids)
    assert store.catalogue.previews.missing().tolist() == []
    known, hashes = store.catalogue.previews.hashes()
    assert dict(zip(known.tolist(), hashes.tolist(), strict=True)) == {
        content: int.from_bytes(preview.hash) for content, preview in previews.items()
    }
    assert (
        store.catalogue.previews.thumbnail("archive", "deep/last.png")
        == previews[contents(store)["deep/last.png"]].thumbnail
    )
    assert store.catalogue.previews.thumbnail("archive", "none.png") is None
    store.catalogue.previews.add({ids[0]: Preview(b"\xff" * 8, b"new")})
    assert store.catalogue.previews.of([ids[0]]) == {ids[0]: Preview(b"\xff" * 8, b"new")}


def test_contents_without_a_preview(store):
    sql(store.folder, "DELETE FROM preview")
    by_name = contents(store)
    found = store.catalogue.previews.missing().tolist()
    assert sorted(found) == sorted(set(by_name.values()))
    assert store.catalogue.sketches.missing(RULES).tolist() == []  # nothing to draw them of
    assert store.catalogue.previews.of(found) == {}


@pytest.fixture
def outdated(store):
    """The same catalogue, of whose contents 2 to 5 have hashes of older rules."""
    sql(store.folder, "INSERT INTO outdated_hash VALUES (2, 5, 1)")
    return store.catalogue.previews


def test_new_hashes_shorten_the_outdated_range(outdated):
    assert outdated.outdated() == [IdRange(2, 5)]
    thumbnails = outdated.thumbnails(IdRange(2, 5), limit=2)
    assert list(thumbnails) == [2, 3]
    assert thumbnails == {key: outdated.of([key])[key].thumbnail for key in (2, 3)}
    outdated.update_hashes({2: b"\1" * 8, 3: b"\2" * 8}, IdRange(2, 5), done=2)
    assert outdated.outdated() == [IdRange(4, 5)]
    assert [outdated.of([key])[key].hash for key in (2, 3)] == [b"\1" * 8, b"\2" * 8]
    outdated.update_hashes({}, IdRange(4, 5), done=2)
    assert outdated.outdated() == []


def test_a_preview_that_is_damaged_is_missing_again(outdated):
    outdated.update_hashes({4: None}, IdRange(2, 5), done=3)
    assert outdated.missing().tolist() == [4]
    assert outdated.of([3, 4]).keys() == {3}
