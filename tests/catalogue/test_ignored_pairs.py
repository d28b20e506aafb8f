from catalogues import contents, match, sql

from retrieval.catalogue.ignored_pairs import IgnoredPair


def test_ignored_pairs_hide_their_match_until_they_are_removed(store):
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


def test_pairs_among_contents_are_told_in_both_orders(store):
    pairs = store.catalogue.ignored_pairs
    assert pairs.add([IgnoredPair.of(b"b" * 32, b"a" * 32), IgnoredPair.of(b"a" * 32, b"c" * 32)]) == 2
    assert pairs.among({b"a" * 32: 7, b"b" * 32: 3}) == {(7, 3), (3, 7)}
    assert pairs.among({b"b" * 32: 3, b"c" * 32: 4}) == set()


def test_what_a_person_said_outlives_the_contents(store):
    assert store.catalogue.ignored_pairs.add([IgnoredPair.of(b"a" * 32, b"b" * 32)]) == 1
    sql(store.folder, "DELETE FROM photo")
    assert store.catalogue.ignored_pairs.all() == [(b"a" * 32, b"b" * 32)]
