import numpy as np
import pytest
from catalogues import sql
from photos import archive, photo

from retrieval.catalogue.ignored_pairs import IgnoredPair
from retrieval.catalogue.matches import Match
from retrieval.records import Preview
from retrieval.store import Store

RULES, WIDTH = 1, 8


@pytest.fixture
def store(index, tmp_path):
    """Six photos of one index; 000.jpg and copy.jpg have the same bytes."""
    folder = archive(tmp_path / "archive", 5)
    (folder / "copy.jpg").write_bytes((folder / "000.jpg").read_bytes())
    photo(folder / "deep" / "last.png", 99)
    index.add(folder)
    opened = Store.open(index.folder)
    yield opened
    opened.close()


def reindex(index, *gone, back=()):
    """Take photos away, bring others back, and index that."""
    for path in gone:
        path.rename(path.with_name(path.name + ".away"))
    for path in back:
        path.with_name(path.name + ".away").rename(path)
    index.add()


def contents(store) -> dict[str, int]:
    found = store.catalogue.copies.of(store.catalogue.contents.live()[0].tolist())
    return {copy.relative: copy.content for copy in found}


def match(one: int, other: int, reason: str = "for a reason") -> Match:
    return Match(min(one, other), max(one, other), "near", 0.5, 0.9, reason, "", "", ())


def sketches(ids) -> dict[int, np.ndarray]:
    return {int(content): np.full(WIDTH, int(content) % 100, np.int8) for content in ids}


def test_live_contents_by_row(store, index, tmp_path):
    ids, rows = store.catalogue.contents.live()
    assert rows.tolist() == list(range(6))
    assert len(set(ids.tolist())) == 6
    reindex(index, tmp_path / "archive" / "002.jpg")
    assert len(store.catalogue.contents.live()[0]) == 5
    reindex(index, tmp_path / "archive" / "000.jpg")
    assert len(store.catalogue.contents.live()[0]) == 5  # its copy is there


def test_copies_name_every_file_of_a_content(store):
    by_name = contents(store)
    assert by_name["000.jpg"] == by_name["copy.jpg"]
    assert store.catalogue.contents.repeated().tolist() == [by_name["000.jpg"]]
    found = list(store.catalogue.copies.of([by_name["000.jpg"], by_name["deep/last.png"]]))
    assert sorted(copy.relative for copy in found) == ["000.jpg", "copy.jpg", "deep/last.png"]
    [png] = [copy for copy in found if copy.format == "PNG"]
    assert (png.root, png.width, png.height, png.camera, png.taken_at) == ("archive", 96, 64, None, None)
    assert png.size > 0
    assert png.mtime_ns > 0
    assert [copy.relative for copy in store.catalogue.copies.with_hash(found[0].hash)] == ["000.jpg", "copy.jpg"]
    assert [copy.relative for copy in store.catalogue.copies.of_format("PNG")] == ["deep/last.png"]
    assert [copy.relative for copy in store.catalogue.copies.at("archive", ["deep/last.png", "none.png"])] == [
        "deep/last.png"
    ]
    assert store.catalogue.copies.at("archive", []) == []
    assert list(store.catalogue.copies.of([])) == []
    assert list(store.catalogue.copies.timed()) == []


def test_photos_that_are_gone_are_no_copies(store, index, tmp_path):
    reindex(index, tmp_path / "archive" / "copy.jpg", tmp_path / "archive" / "deep" / "last.png")
    assert store.catalogue.contents.repeated().tolist() == []
    assert store.catalogue.copies.of_format("PNG") == []
    assert store.catalogue.copies.at("archive", ["copy.jpg"]) == []
    [copy] = store.catalogue.copies.at("archive", ["000.jpg"])
    assert [other.relative for other in store.catalogue.copies.with_hash(copy.hash)] == ["000.jpg"]


def test_many_contents_at_once(store):
    ids = [*store.catalogue.contents.live()[0].tolist(), *range(10_000, 12_000)]
    assert len(list(store.catalogue.copies.of(ids))) == 7
    assert len(store.catalogue.previews.of(ids)) == 6


def test_looks(store):
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


def test_contents_without_a_look(store):
    sql(store.folder, "DELETE FROM preview")
    by_name = contents(store)
    found = store.catalogue.previews.missing().tolist()
    assert sorted(found) == sorted(set(by_name.values()))
    assert store.catalogue.sketches.missing(RULES).tolist() == []  # nothing to draw them of
    assert store.catalogue.previews.of(found) == {}


def test_sketches(store, index, tmp_path):
    ids = store.catalogue.contents.live()[0]
    assert store.catalogue.sketches.missing(RULES).tolist() == ids.tolist()
    store.catalogue.sketches.add(sketches(ids[:4]), RULES)
    assert store.catalogue.sketches.missing(RULES).tolist() == ids[4:].tolist()
    assert store.catalogue.sketches.missing(RULES + 1).tolist() == ids.tolist()
    store.catalogue.sketches.add(sketches(ids[4:]), RULES)
    known, vectors = store.catalogue.sketches.all(WIDTH)
    assert known.tolist() == ids.tolist()
    assert (vectors.dtype, vectors.tolist()) == (np.int8, [sketches([one])[one].tolist() for one in ids.tolist()])
    reindex(index, tmp_path / "archive" / "001.jpg")
    assert len(store.catalogue.sketches.all(WIDTH)[0]) == 5


def test_what_was_compared(store):
    ids = store.catalogue.contents.live()[0]
    assert store.catalogue.matches.uncompared(RULES).tolist() == []  # without a sketch nothing can be compared
    store.catalogue.sketches.add(sketches(ids), RULES)
    store.catalogue.matches.add_compared(ids[:3].tolist(), [match(*ids[:2].tolist())], RULES)
    assert store.catalogue.matches.uncompared(RULES).tolist() == ids[3:].tolist()
    assert store.catalogue.matches.uncompared(RULES + 1).tolist() == ids.tolist()
    assert store.catalogue.matches.all() == [match(*ids[:2].tolist())]
    store.catalogue.matches.add_compared(ids[3:].tolist(), [], RULES)
    assert store.catalogue.matches.uncompared(RULES).tolist() == []


def test_a_likeness_found_again_replaces_the_old(store):
    one, other, third, *_ = store.catalogue.contents.live()[0].tolist()
    store.catalogue.matches.add([match(one, other, "old"), match(one, third)])
    store.catalogue.matches.add([match(one, other, "new")])
    assert store.catalogue.matches.all() == [match(one, other, "new"), match(one, third)]


def test_what_each_of_two_lacks_and_where_they_differ(store):
    one, other, third, *_ = store.catalogue.contents.live()[0].tolist()
    places = ((610, 400, 30, 40), (0, 0, 1000, 5))
    found = [
        Match(one, other, "near", 0.5, 0.9, "grey", "colour", "", ()),
        Match(one, third, "same-scene", 0.5, 0.9, "differs", "a place", "another", places),
    ]
    store.catalogue.matches.add([found[0], found[1]._replace(places=tuple(np.array(places)))])
    assert store.catalogue.matches.all() == found


@pytest.mark.parametrize(
    ("kind", "alike"),
    [
        *(("same-pixels", True), ("near", True), ("altered", True), ("raw+jpeg", True)),
        *(("overlap", False), ("same-scene", False)),
    ],
)
def test_only_one_shot_is_near_identical(store, kind, alike):
    one, other, third, *_ = store.catalogue.contents.live()[0].tolist()
    store.catalogue.matches.add([match(one, other)._replace(kind=kind)])
    assert store.catalogue.matches.among([one, other, third]) == ({(one, other), (other, one)} if alike else set())


def test_absent_contents_are_forgotten_as_compared(store, index, tmp_path):
    ids = store.catalogue.contents.live()[0]
    by_name = contents(store)
    store.catalogue.sketches.add(sketches(ids), RULES)
    store.catalogue.matches.add_compared(ids.tolist(), [match(by_name["001.jpg"], by_name["002.jpg"])], RULES)
    gone = tmp_path / "archive" / "001.jpg"
    reindex(index, gone)
    assert store.catalogue.matches.all() == []
    store.catalogue.matches.forget_outdated(RULES)
    reindex(index, back=[gone])
    assert store.catalogue.matches.uncompared(RULES).tolist() == [by_name["001.jpg"]]
    assert len(store.catalogue.matches.all()) == 1  # what was found then is as true as ever


def test_other_rules_forget_everything_that_they_found(store):
    ids = store.catalogue.contents.live()[0]
    store.catalogue.sketches.add(sketches(ids), RULES)
    store.catalogue.matches.add_compared(ids.tolist(), [match(*ids[:2].tolist())], RULES)
    store.catalogue.ignored_pairs.add([IgnoredPair.of(b"a" * 32, b"b" * 32)])
    store.catalogue.matches.forget_outdated(RULES)
    assert len(store.catalogue.matches.all()) == 1
    store.catalogue.matches.forget_outdated(RULES + 1)
    assert store.catalogue.matches.all() == []
    assert store.catalogue.sketches.missing(RULES).tolist() == ids.tolist()
    assert len(store.catalogue.previews.of(ids.tolist())) == 6  # no rules made these
    assert len(store.catalogue.ignored_pairs.all()) == 1  # a person did


def test_denied_pairs(store):
    by_name = contents(store)
    one, other = by_name["001.jpg"], by_name["002.jpg"]
    hashes = {copy.content: copy.hash for copy in store.catalogue.copies.of([one, other])}
    store.catalogue.matches.add([match(one, other)])
    assert store.catalogue.ignored_pairs.add([IgnoredPair.of(hashes[one], hashes[other])]) == 1
    assert store.catalogue.ignored_pairs.add([IgnoredPair.of(hashes[other], hashes[one])]) == 0
    assert store.catalogue.matches.all() == []
    assert store.catalogue.ignored_pairs.all() == [tuple(sorted(hashes.values()))]
    assert store.catalogue.ignored_pairs.remove([IgnoredPair.of(hashes[other], hashes[one])]) == 1
    assert store.catalogue.ignored_pairs.remove([IgnoredPair.of(hashes[other], hashes[one])]) == 0
    assert len(store.catalogue.matches.all()) == 1
    assert store.catalogue.ignored_pairs.add([]) == 0


def test_the_catalogue_stays_sound(store):
    ids = store.catalogue.contents.live()[0]
    store.catalogue.sketches.add(sketches(ids), RULES)
    store.catalogue.matches.add_compared(ids.tolist(), [match(*ids[:2].tolist())], RULES)
    assert store.catalogue.integrity.findings() == []
