"""Files that belong together and all stay."""

import pytest
from matched import MatchedPhotos

from retrieval.dedupe.plan.records import Action, Kind

NOON = "2024-05-01T12:00:00.000"
LATER = "2024-05-01T12:00:01.000"
RAW, JPG = "RAW/IMG_0001.dng", "JPG/IMG_0001.JPG"


def taken(photos: MatchedPhotos, when: str, *names: str, camera: str = "Maker One") -> None:
    for name in names:
        photos.say(name, camera=camera, taken_at=when)


@pytest.fixture
def twins(photos):
    """The RAW and the JPEG of one shot in sibling folders, alike to the eye."""
    photos.add(RAW, JPG)
    taken(photos, NOON, RAW, JPG)
    photos.say(RAW, format="RAW")
    photos.match(RAW, JPG)
    return photos


def test_raw_and_jpeg_in_sibling_folders_both_stay(twins):
    twins.file(JPG, mtime_ns=2 * 10**18)
    for lack in (("", ""), ("", "depth"), ("colour", "")):
        twins.match(RAW, JPG, lack=lack)
        for keep in ("newest", "raw,resolution", "shortest-path"):
            assert twins.removed(keep=keep) == twins.removed(keep=keep, keep_lesser=True) == set()
            assert twins.removed(keep=keep, kinds=list(Kind)) == set()
            assert twins.stars(twins.find(keep=keep).related) == [("raw+jpeg", RAW, [JPG])]


def test_twins_are_known_by_camera_time_and_name_alone(twins):
    twins.match(RAW, JPG, "overlap")
    twins.match(RAW, JPG, "same-scene")
    [group] = twins.find().related
    assert group.kind == Kind.RAW_JPEG
    assert group.members[0].reason == "one shot: same camera, time and name"
    assert twins.stars(twins.find(kinds=[Kind.RAW_JPEG]).plan.groups) == [("raw+jpeg", RAW, [JPG])]


def test_both_files_of_a_shot_are_one_frame_of_a_burst(twins):
    twins.add("RAW/IMG_0002.dng", "JPG/IMG_0002.jpg")
    taken(twins, LATER, "RAW/IMG_0002.dng", "JPG/IMG_0002.jpg")
    twins.say("RAW/IMG_0002.dng", format="RAW")
    [burst] = twins.find(kinds=[Kind.BURST]).plan.groups
    assert twins.stars((burst,)) == [("burst", RAW, ["RAW/IMG_0002.dng"])]


def test_which_files_are_twins(photos):
    photos.add(RAW)
    taken(photos, NOON, RAW)
    photos.say(RAW, format="RAW")
    for name, when, camera, known in [
        ("other disk/img_0001.jpg", NOON, "Maker One", True),
        ("JPG/IMG_0001 (2).jpg", NOON, "Maker One", True),
        ("JPG/IMG_0001 copy.jpg", NOON, "Maker One", True),
        ("JPG/IMG_0001 - Copy (3).jpg", NOON, "Maker One", True),
        ("JPG/IMG_0001.jpg", "2024-05-01T12:00:00.000+02:00", "Maker One", True),  # the RAW has lost its offset
        ("JPG/IMG_1234.jpg", NOON, "Maker One", False),
        ("JPG/IMG_0001.jpg", LATER, "Maker One", False),
        ("JPG/IMG_0001.jpg", NOON, "Maker Two", False),
        ("JPG/IMG_0001.jpg", None, "Maker One", False),
        ("JPG/IMG_0001.jpg", NOON, None, False),
    ]:
        photos.add(name)
        photos.say(name, taken_at=when, camera=camera)
        found = photos.stars(photos.find(kinds=[Kind.RAW_JPEG]).plan.groups)
        assert found == ([("raw+jpeg", RAW, [name])] if known else [])
        (photos.root / name).unlink()


def test_two_fractions_of_a_second_are_two_shots(photos):
    photos.add(RAW, JPG)
    photos.say(RAW, format="RAW")
    taken(photos, "2024-05-01T12:00:00.250", RAW)
    taken(photos, "2024-05-01T12:00:00.750", JPG)
    assert photos.stars(photos.find(kinds=[Kind.RAW_JPEG]).plan.groups) == []


def test_a_jpeg_may_go_for_its_copy_without_its_raw(twins):
    twins.add("export/IMG_0001.jpg")
    twins.match(JPG, "export/IMG_0001.jpg")
    twins.match(RAW, "export/IMG_0001.jpg")
    twins.match(RAW, JPG)
    assert twins.removed() == {"export/IMG_0001.jpg"}


def test_parts_and_shots_of_a_scene_are_listed_with_what_differs(photos):
    photos.add("a.jpg", "b.jpg", "c.jpg")
    photos.match("a.jpg", "b.jpg", "overlap", lack=("a part", "another"), reason="40 % in common")
    photos.match("b.jpg", "c.jpg", "same-scene", reason="differs at 61 %, 40 %", places=((600, 390, 20, 20),))
    overlap, scene = photos.find(keep="shortest-path").related
    assert photos.stars((overlap, scene)) == [("overlap", "a.jpg", ["b.jpg"]), ("same-scene", "b.jpg", ["c.jpg"])]
    assert (overlap.members[0].reason, overlap.members[0].would_lose) == ("40 % in common", "a part")
    [member] = scene.members
    assert (member.action, member.cosine, member.score) == (Action.KEEP, 0.95, 0.9)
    assert (member.places, member.keeper_places) == ((), ((600, 390, 20, 20),))
    [turned] = photos.find(kinds=[Kind.SAME_SCENE], keep=f"path:{photos.root / 'c.jpg'}").plan.groups
    assert turned.keeper.path.name == "c.jpg"
    assert (turned.members[0].places, turned.members[0].keeper_places) == (((600, 390, 20, 20),), ())


def test_a_burst_is_not_listed_twice(photos):
    photos.add("1.jpg", "2.jpg", "3.jpg")
    taken(photos, NOON, "1.jpg")
    taken(photos, LATER, "2.jpg")
    taken(photos, "2024-05-01T13:00:00.000", "3.jpg")
    photos.match("1.jpg", "2.jpg", "same-scene")
    photos.match("1.jpg", "3.jpg", "same-scene")
    assert photos.stars(photos.find().related) == [("same-scene", "1.jpg", ["3.jpg"]), ("burst", "1.jpg", ["2.jpg"])]
    scenes = photos.find(kinds=[Kind.SAME_SCENE]).plan.groups
    assert photos.stars(scenes) == [("same-scene", "1.jpg", ["2.jpg", "3.jpg"])]


def test_what_goes_is_not_listed_again(photos):
    photos.add("a.jpg", "b.jpg", "c.jpg")
    photos.match("a.jpg", "b.jpg", lack=("", "detail"))
    photos.match("b.jpg", "c.jpg", "same-scene")
    findings = photos.find()
    assert photos.stars(findings.plan.groups) == [("near", "a.jpg", ["b.jpg"])]
    assert findings.related == ()


def test_a_photo_that_stays_for_its_raw_is_listed_with_the_others(photos):
    """It was to go for a larger one, but the RAW beside it has no copy."""
    photos.add("large.jpg", "shot/IMG_1.jpg", "shot/IMG_1.cr2", "scene.jpg")
    photos.say("large.jpg", width=6000, height=4000)
    photos.match("large.jpg", "shot/IMG_1.jpg", lack=("", "detail"))
    photos.match("shot/IMG_1.jpg", "scene.jpg", "same-scene")
    found = photos.find()
    assert [member.action for group in found.plan.groups for member in group.members] == [Action.KEEP]
    scenes = [group for group in photos.stars(found.related) if group[0] == "same-scene"]
    assert [sorted([keeper, *members]) for _, keeper, members in scenes] == [["scene.jpg", "shot/IMG_1.jpg"]]
