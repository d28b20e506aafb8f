import numpy as np
import pytest
from catalogues import contents, match, reindex, sketches

from retrieval.catalogue.ignored_pairs import IgnoredPair
from retrieval.catalogue.matches import Match

RULES = 1


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


def test_the_catalogue_stays_sound(store):
    ids = store.catalogue.contents.live()[0]
    store.catalogue.sketches.add(sketches(ids), RULES)
    store.catalogue.matches.add_compared(ids.tolist(), [match(*ids[:2].tolist())], RULES)
    assert store.catalogue.integrity.findings() == []
