import numpy as np
import pytest
from photos import archive, photo

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
    found = store.matches.copies(store.matches.live()[0].tolist())
    return {copy.relative: copy.content for copy in found}


def match(one: int, other: int, reason: str = "for a reason") -> Match:
    return Match(min(one, other), max(one, other), "near", 0.5, 0.9, reason)


def sketches(ids) -> dict[int, np.ndarray]:
    return {int(content): np.full(WIDTH, int(content) % 100, np.int8) for content in ids}


def test_live_contents_by_row(store, index, tmp_path):
    ids, rows = store.matches.live()
    assert rows.tolist() == list(range(6))
    assert len(set(ids.tolist())) == 6
    reindex(index, tmp_path / "archive" / "002.jpg")
    assert len(store.matches.live()[0]) == 5
    reindex(index, tmp_path / "archive" / "000.jpg")
    assert len(store.matches.live()[0]) == 5  # its copy is there


def test_copies_name_every_file_of_a_content(store):
    by_name = contents(store)
    assert by_name["000.jpg"] == by_name["copy.jpg"]
    assert store.matches.repeated().tolist() == [by_name["000.jpg"]]
    found = list(store.matches.copies([by_name["000.jpg"], by_name["deep/last.png"]]))
    assert sorted(copy.relative for copy in found) == ["000.jpg", "copy.jpg", "deep/last.png"]
    [png] = [copy for copy in found if copy.format == "PNG"]
    assert (png.root, png.width, png.height, png.camera, png.taken_at) == ("archive", 96, 64, None, None)
    assert png.size > 0
    assert png.mtime_ns > 0
    assert [copy.relative for copy in store.matches.with_hash(found[0].hash)] == ["000.jpg", "copy.jpg"]
    assert [copy.relative for copy in store.matches.of_format("PNG")] == ["deep/last.png"]
    assert [copy.relative for copy in store.matches.at("archive", ["deep/last.png", "none.png"])] == ["deep/last.png"]
    assert store.matches.at("archive", []) == []
    assert list(store.matches.copies([])) == []
    assert list(store.matches.timed()) == []


def test_photos_that_are_gone_are_no_copies(store, index, tmp_path):
    reindex(index, tmp_path / "archive" / "copy.jpg", tmp_path / "archive" / "deep" / "last.png")
    assert store.matches.repeated().tolist() == []
    assert store.matches.of_format("PNG") == []
    assert store.matches.at("archive", ["copy.jpg"]) == []
    [copy] = store.matches.at("archive", ["000.jpg"])
    assert [other.relative for other in store.matches.with_hash(copy.hash)] == ["000.jpg"]


def test_many_contents_at_once(store):
    ids = [*store.matches.live()[0].tolist(), *range(10_000, 12_000)]
    assert len(list(store.matches.copies(ids))) == 7
    assert len(store.matches.previews(ids)) == 6


def test_looks(store):
    ids = store.matches.live()[0].tolist()
    previews = store.matches.previews(ids)
    assert set(previews) == set(ids)
    assert store.matches.without_preview().tolist() == []
    known, hashes = store.matches.hashes()
    assert dict(zip(known.tolist(), hashes.tolist(), strict=True)) == {
        content: int.from_bytes(preview.hash) for content, preview in previews.items()
    }
    assert store.matches.thumbnail("archive", "deep/last.png") == previews[contents(store)["deep/last.png"]].thumbnail
    assert store.matches.thumbnail("archive", "none.png") is None
    store.matches.add_previews({ids[0]: Preview(b"\xff" * 8, b"new")})
    assert store.matches.previews([ids[0]]) == {ids[0]: Preview(b"\xff" * 8, b"new")}


def test_contents_without_a_look(store):
    with store.database.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM preview")
    by_name = contents(store)
    found = store.matches.without_preview().tolist()
    assert sorted(found) == sorted(set(by_name.values()))
    assert store.matches.without_sketch(RULES).tolist() == []  # nothing to draw them of
    assert store.matches.previews(found) == {}


def test_sketches(store, index, tmp_path):
    ids = store.matches.live()[0]
    assert store.matches.without_sketch(RULES).tolist() == ids.tolist()
    store.matches.add_sketches(sketches(ids[:4]), RULES)
    assert store.matches.without_sketch(RULES).tolist() == ids[4:].tolist()
    assert store.matches.without_sketch(RULES + 1).tolist() == ids.tolist()
    store.matches.add_sketches(sketches(ids[4:]), RULES)
    known, vectors = store.matches.sketches(WIDTH)
    assert known.tolist() == ids.tolist()
    assert (vectors.dtype, vectors.tolist()) == (np.int8, [sketches([one])[one].tolist() for one in ids.tolist()])
    reindex(index, tmp_path / "archive" / "001.jpg")
    assert len(store.matches.sketches(WIDTH)[0]) == 5


def test_what_was_compared(store):
    ids = store.matches.live()[0]
    assert store.matches.uncompared(RULES).tolist() == []  # without a sketch nothing can be compared
    store.matches.add_sketches(sketches(ids), RULES)
    store.matches.add_compared(ids[:3].tolist(), [match(*ids[:2].tolist())], RULES)
    assert store.matches.uncompared(RULES).tolist() == ids[3:].tolist()
    assert store.matches.uncompared(RULES + 1).tolist() == ids.tolist()
    assert store.matches.matches() == [match(*ids[:2].tolist())]
    store.matches.add_compared(ids[3:].tolist(), [], RULES)
    assert store.matches.uncompared(RULES).tolist() == []


def test_a_likeness_found_again_replaces_the_old(store):
    one, other, third, *_ = store.matches.live()[0].tolist()
    store.matches.add_matches([match(one, other, "old"), match(one, third)])
    store.matches.add_matches([match(one, other, "new")])
    assert store.matches.matches() == [match(one, other, "new"), match(one, third)]


def test_absent_contents_are_forgotten_as_compared(store, index, tmp_path):
    ids = store.matches.live()[0]
    by_name = contents(store)
    store.matches.add_sketches(sketches(ids), RULES)
    store.matches.add_compared(ids.tolist(), [match(by_name["001.jpg"], by_name["002.jpg"])], RULES)
    gone = tmp_path / "archive" / "001.jpg"
    reindex(index, gone)
    assert store.matches.matches() == []
    store.matches.forget_absent(RULES)
    reindex(index, back=[gone])
    assert store.matches.uncompared(RULES).tolist() == [by_name["001.jpg"]]
    assert len(store.matches.matches()) == 1  # what was found then is as true as ever


def test_other_rules_forget_everything_that_they_found(store):
    ids = store.matches.live()[0]
    store.matches.add_sketches(sketches(ids), RULES)
    store.matches.add_compared(ids.tolist(), [match(*ids[:2].tolist())], RULES)
    store.ignored_pairs.deny([(b"a" * 32, b"b" * 32)])
    store.matches.forget_absent(RULES)
    assert len(store.matches.matches()) == 1
    store.matches.forget_absent(RULES + 1)
    assert store.matches.matches() == []
    assert store.matches.without_sketch(RULES).tolist() == ids.tolist()
    assert len(store.matches.previews(ids.tolist())) == 6  # no rules made these
    assert len(store.ignored_pairs.denied()) == 1  # a person did


def test_denied_pairs(store):
    by_name = contents(store)
    one, other = by_name["001.jpg"], by_name["002.jpg"]
    hashes = {copy.content: copy.hash for copy in store.matches.copies([one, other])}
    store.matches.add_matches([match(one, other)])
    assert store.ignored_pairs.deny([(hashes[one], hashes[other])]) == 1
    assert store.ignored_pairs.deny([(hashes[other], hashes[one])]) == 0
    assert store.matches.matches() == []
    assert store.ignored_pairs.denied() == [tuple(sorted(hashes.values()))]
    assert store.ignored_pairs.allow([(hashes[other], hashes[one])]) == 1
    assert store.ignored_pairs.allow([(hashes[other], hashes[one])]) == 0
    assert len(store.matches.matches()) == 1
    assert store.ignored_pairs.deny([]) == 0


def test_the_catalogue_stays_sound(store):
    ids = store.matches.live()[0]
    store.matches.add_sketches(sketches(ids), RULES)
    store.matches.add_compared(ids.tolist(), [match(*ids[:2].tolist())], RULES)
    assert store.catalogue.problems() == []
