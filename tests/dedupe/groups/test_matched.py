import shutil

import pytest
from matched import MatchedPhotos

from retrieval.dedupe.groups import keep_rules
from retrieval.dedupe.groups.files import FindScope, GroupFile, GroupFiles
from retrieval.dedupe.groups.matched import MatchedFiles
from retrieval.store import Store


@pytest.fixture
def scene(photos):
    """One picture twice, byte for byte, a smaller one of it, and one that shares a part with the smaller alone."""
    photos.add("large.jpg", "small.jpg", "part.jpg", "alone.jpg")
    (photos.root / "b").mkdir()
    shutil.copy2(photos.root / "large.jpg", photos.root / "b" / "copy.jpg")
    photos.index.add(photos.root)
    for name, width in (("large.jpg", 400), ("small.jpg", 40), ("part.jpg", 4)):
        photos.say(name, width=width)
    photos.match("large.jpg", "small.jpg", lack=("", "detail"))
    photos.match("part.jpg", "small.jpg", "overlap", lack=("the left", "the right"), places=((1, 2, 30, 40),))
    return photos


def opened(photos: MatchedPhotos, scope: FindScope | None = None, without: tuple[str, ...] = ()) -> MatchedFiles:
    photos.index.close()
    store = Store.open(photos.index.folder)
    files = GroupFiles(store.manifest, scope or FindScope(), keep_rules.parse(keep_rules.DEFAULT))
    found = MatchedFiles(
        files, store.catalogue.copies, store.catalogue.matches.all(), [photos.root / name for name in without]
    )
    store.close()
    return found


def names(photos: MatchedPhotos, files: list[GroupFile]) -> list[str]:
    return [photos.name(file.path) for file in files]


def pairs(photos: MatchedPhotos, matched: MatchedFiles) -> set[tuple[str, str]]:
    return {(photos.name(one.path), photos.name(other.path)) for one in matched.in_order for other in matched.of(one)}


def test_every_file_of_a_matched_content_takes_part_the_preferred_first(scene):
    matched = opened(scene)
    found = names(scene, matched.in_order)
    assert sorted(found[:2]) == ["b/copy.jpg", "large.jpg"]
    assert found[2:] == ["small.jpg", "part.jpg"]


def test_files_match_both_ways_and_only_where_they_were_compared(scene):
    """Files with the same bytes do not match each other here, nor does what each of them matches."""
    one_way = {("large.jpg", "small.jpg"), ("b/copy.jpg", "small.jpg"), ("part.jpg", "small.jpg")}
    assert pairs(scene, opened(scene)) == one_way | {(other, one) for one, other in one_way}


def test_files_of_other_groups_match_nobody(scene):
    matched = opened(scene, without=("small.jpg", "b/copy.jpg"))
    assert names(scene, matched.in_order) == ["large.jpg", "part.jpg"]
    assert pairs(scene, matched) == set()


def test_only_pairs_in_scope_match(scene):
    root = scene.root
    assert pairs(scene, opened(scene, FindScope(same_folder=True))) == {
        *(("large.jpg", "small.jpg"), ("small.jpg", "large.jpg")),
        *(("part.jpg", "small.jpg"), ("small.jpg", "part.jpg")),
    }
    within = opened(scene, FindScope(within=[root / "b"]))
    assert names(scene, within.in_order) == ["b/copy.jpg"]
    assert pairs(scene, within) == set()
    across = opened(scene, FindScope(across=(root / "b", root), both_ways=True))
    assert pairs(scene, across) == {("b/copy.jpg", "small.jpg"), ("small.jpg", "b/copy.jpg")}


def test_each_of_two_files_lacks_its_own(scene):
    """Whichever of them was indexed first, and has the lower id."""
    matched = opened(scene)
    by_name = {scene.name(file.path): file for file in matched.in_order}
    small, part, copy = by_name["small.jpg"], by_name["part.jpg"], by_name["b/copy.jpg"]
    assert matched.proof(small, part) == matched.proof(part, small)
    assert matched.proof(small, part).kind == "overlap"
    assert (matched.lacks(part, small), matched.lacks(small, part)) == ("the left", "the right")
    assert (matched.lacks(copy, small), matched.lacks(small, copy)) == ("", "detail")


def test_places_are_known_in_the_frame_of_the_first_content_alone(scene):
    matched = opened(scene)
    by_name = {scene.name(file.path): file for file in matched.in_order}
    first, second = sorted((by_name["small.jpg"], by_name["part.jpg"]), key=lambda file: file.copy.content)
    assert matched.places(first, second) == ((1, 2, 30, 40),)
    assert matched.places(second, first) == ()


def test_pairs_that_a_person_ignored_are_no_matches(scene):
    scene.index.ignore([scene.root / "large.jpg", scene.root / "small.jpg"])
    assert pairs(scene, opened(scene)) == {("part.jpg", "small.jpg"), ("small.jpg", "part.jpg")}
