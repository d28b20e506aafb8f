"""What is offered for removal: never a file that has something which its keeper lacks, unless a person says so."""

import json

import pytest

from retrieval.dedupe.groups import keep_rules
from retrieval.dedupe.groups.files import FindScope
from retrieval.dedupe.plan import plan_file
from retrieval.dedupe.plan.records import REMOVABLE, Action, Kind
from retrieval.dedupe.run.records import ApplyOptions
from retrieval.errors import QueryError

RULES = [name for name in keep_rules.RULES if ":" not in name]


@pytest.fixture
def grey(photos):
    """A grey picture that has more pixels and bytes, and is older, than the colour one that it was made of."""
    photos.add("original in colour.jpg", "grey.jpg")
    photos.say("grey.jpg", width=6000, height=4000)
    photos.file("grey.jpg", size=9_000_000, mtime_ns=5)
    photos.match("grey.jpg", "original in colour.jpg", lack=("colour", ""), reason="grey")
    return photos


def test_no_rule_makes_the_lesser_file_the_keeper(grey):
    for rule in (keep_rules.DEFAULT, *RULES, f"path:{grey.root}"):
        [group] = grey.find(keep=rule).plan.groups
        assert grey.stars((group,)) == [("near", "original in colour.jpg", ["grey.jpg"])]
        assert group.why == "has what others lack: colour"
        assert (group.members[0].reason, group.members[0].would_lose) == ("grey", "")


def test_a_person_may_ask_for_the_lesser_file_and_is_told_what_is_lost(grey, tmp_path):
    findings = grey.find(keep="resolution", keep_lesser=True)
    [group] = findings.plan.groups
    assert grey.stars((group,)) == [("near", "grey.jpg", ["original in colour.jpg"])]
    assert group.why == "24.0 megapixels against 0.0 megapixels, although it lacks colour"
    assert group.members[0].would_lose == "colour"
    assert group.members[0].action is Action.REMOVE
    for name in ("plan.csv", "plan.json"):
        plan_file.write(findings.plan, tmp_path / name)
        assert plan_file.read(tmp_path / name) == findings.plan
        assert b"colour" in (tmp_path / name).read_bytes().replace(b"in colour", b"")


def test_the_better_file_stays_anyway_if_the_rules_say_so_too(grey):
    [group] = grey.find(keep="newest", keep_lesser=True).plan.groups
    assert group.keeper.path.name == "original in colour.jpg"
    assert group.members[0].would_lose == ""
    assert "although" not in group.why


def test_of_two_that_each_have_something_of_their_own_both_stay(photos):
    photos.add("a.jpg", "b.jpg")
    photos.match("a.jpg", "b.jpg", lack=("2 of 9 parts of the frame", "colour"))
    assert photos.removed() == photos.removed(keep_lesser=True) == set()


def test_rules_choose_among_files_that_have_the_same(photos):
    photos.add("a.jpg", "b.jpg", "c.jpg")
    photos.match("a.jpg", "b.jpg")
    photos.match("c.jpg", "b.jpg", lack=("detail", ""))
    photos.match("c.jpg", "a.jpg", lack=("detail", ""))
    photos.say("c.jpg", width=600, height=400)
    photos.say("b.jpg", width=400, height=300)
    [group] = photos.find().plan.groups
    assert photos.stars((group,)) == [("near", "b.jpg", ["a.jpg", "c.jpg"])]
    assert group.why == "has what others lack: detail, then 0.1 megapixels against 0.0 megapixels"
    photos.file("a.jpg", mtime_ns=2 * 10**18)
    assert photos.stars(photos.find(keep="newest").plan.groups) == [("near", "a.jpg", ["b.jpg", "c.jpg"])]


def test_a_whole_takes_its_parts_which_do_not_match_each_other(photos):
    """Also if a part is the largest file: blown up, it is still a part."""
    photos.add("left.jpg", "right.jpg", "whole.jpg")
    photos.say("left.jpg", width=9000, height=9000)
    for name in ("left.jpg", "right.jpg"):
        photos.match(name, "whole.jpg", lack=("5 of 9 parts of the frame", ""))
    assert photos.stars(photos.find().plan.groups) == [("near", "whole.jpg", ["left.jpg", "right.jpg"])]


def test_files_that_seem_to_contain_each_other_in_a_circle(photos):
    """Noise; still, every member is contained by its own keeper."""
    photos.add("a.jpg", "b.jpg", "c.jpg")
    contains = {("a.jpg", "b.jpg"), ("b.jpg", "c.jpg"), ("c.jpg", "a.jpg")}
    for keeper, member in contains:
        photos.match(keeper, member, lack=("", "detail"))
    for rules in ("shortest-name", "newest", keep_rules.DEFAULT):
        [(_, keeper, [member])] = photos.stars(photos.find(keep=rules).plan.groups)
        assert (keeper, member) in contains


def test_a_reference_folder_never_replaces_what_it_lacks(photos):
    photos.add("safe/small.jpg", "card/large.jpg", "card/tiny.jpg")
    photos.match("safe/small.jpg", "card/large.jpg", lack=("detail", ""))
    photos.match("safe/small.jpg", "card/tiny.jpg", lack=("", "detail"))
    photos.match("card/large.jpg", "card/tiny.jpg", lack=("", "detail"))
    found = photos.find(scope=FindScope(reference=[photos.root / "safe"])).plan.groups
    assert photos.stars(found) == [("near", "safe/small.jpg", ["card/tiny.jpg"])]
    assert found[0].why == "in a reference folder"


def across(photos, one="card", other="disk", **options):
    return FindScope(across=(photos.root / one, photos.root / other), **options)


def test_only_files_of_the_first_folder_are_offered(photos):
    """Though the card's files are older, as they are: copying sets the time of a copy's last change."""
    photos.add("card/1.jpg", "card/2.jpg", "disk/2 small.jpg")
    copy = photos.root / "disk" / "1 copy.jpg"
    copy.write_bytes((photos.root / "card" / "1.jpg").read_bytes())
    photos.index.add(photos.root)
    photos.match("card/2.jpg", "disk/2 small.jpg")
    photos.say("card/2.jpg", width=6000, height=4000)
    assert photos.removed(scope=across(photos)) == {"card/1.jpg", "card/2.jpg"}
    assert photos.removed(scope=across(photos, both_ways=True)) == {"disk/1 copy.jpg", "disk/2 small.jpg"}
    assert photos.removed(scope=across(photos, "disk", "card")) == {"disk/1 copy.jpg", "disk/2 small.jpg"}


def test_a_file_on_the_card_that_has_more_than_the_archives_stays(photos):
    photos.add("card/large.jpg", "disk/small.jpg")
    photos.match("card/large.jpg", "disk/small.jpg", lack=("", "detail: 1,024 of 4,000 pixels"))
    assert photos.removed(scope=across(photos)) == set()
    assert photos.removed(scope=across(photos, both_ways=True)) == {"disk/small.jpg"}


@pytest.mark.parametrize(("one", "other"), [("disk/card", "disk"), ("disk", "disk/card")])
def test_a_folder_across_from_the_one_that_it_is_in(photos, one, other):
    photos.add("disk/card/1.jpg", "disk/1.jpg")
    photos.match("disk/card/1.jpg", "disk/1.jpg")
    assert photos.removed(scope=across(photos, one, other)) == {f"{one}/1.jpg"}


def test_a_folder_cannot_be_compared_with_itself(photos):
    photos.add("disk/1.jpg")
    with pytest.raises(QueryError, match="with itself"):
        photos.find(scope=across(photos, "disk", "disk"))


@pytest.fixture
def marked(photos):
    """An original; the same with a watermark, in two sizes."""
    photos.add("original.jpg", "marked.jpg", "marked small.jpg")
    photos.say("marked.jpg", width=6000, height=4000)
    places = ((610, 400, 30, 40),)
    for name in ("marked.jpg", "marked small.jpg"):
        lack = ("what is marked", "what the mark covers")
        reason = "differs at 61 %, 40 %: 3 % of the frame"
        photos.match("original.jpg", name, "altered", lack=lack, reason=reason, places=places)
    photos.match("marked.jpg", "marked small.jpg", lack=("", "detail"))
    return photos


def test_altered_pictures_are_listed_apart_with_what_differs(marked):
    findings = marked.find()
    assert marked.stars(findings.plan.groups) == [("near", "marked.jpg", ["marked small.jpg"])]
    [group] = findings.related
    assert marked.stars((group,)) == [("altered", "marked.jpg", ["original.jpg"])]
    [member] = group.members
    assert (member.action, member.reason) == (Action.KEEP, "differs at 61 %, 40 %: 3 % of the frame")
    assert member.would_lose == "what the mark covers"
    drawn = {marked.content("original.jpg"): member.places, marked.content("marked.jpg"): member.keeper_places}
    assert (drawn[min(drawn)], drawn[max(drawn)]) == (((610, 400, 30, 40),), ())


def test_altered_pictures_go_only_where_they_are_asked_for(marked):
    assert marked.removed(kinds=[Kind.NEAR, Kind.SAME_PIXELS, Kind.EXACT]) == {"marked small.jpg"}
    [group] = marked.find(kinds=[Kind.ALTERED], keep="shortest-path").plan.groups
    assert marked.stars((group,)) == [("altered", "marked.jpg", ["original.jpg"])]
    [group] = marked.find(kinds=["altered"], keep="path:/none,oldest", scope=FindScope()).plan.groups
    assert {member.action for member in group.members} == {Action.REMOVE}
    assert all(member.would_lose for member in group.members)


def test_the_keeper_of_near_files_does_not_go_as_altered(marked, tmp_path):
    """Else what they had would be gone with it."""
    marked.say("original.jpg", width=9000, height=6000)
    findings = marked.find(kinds=list(REMOVABLE))
    assert marked.stars(findings.plan.groups) == [
        ("near", "marked.jpg", ["marked small.jpg"]),
        ("altered", "original.jpg", ["marked.jpg"]),
    ]
    [member] = findings.plan.groups[1].members
    assert (member.action, member.along) == (Action.KEEP, ())
    assert member.reason.endswith("; stays as the keeper of other files")
    plan_file.write(findings.plan, tmp_path / "plan.csv")
    report = marked.index.apply(tmp_path / "plan.csv", ApplyOptions(kinds=frozenset(REMOVABLE), dry_run=True))
    assert report.photos + len(report.skipped) == 1


def test_an_altered_picture_in_a_reference_folder_does_not_replace_a_clean_one(photos):
    photos.add("safe/damaged.jpg", "card/sound.jpg")
    photos.match("safe/damaged.jpg", "card/sound.jpg", "altered", lack=("an undamaged end", ""))
    reference = FindScope(reference=[photos.root / "safe"])
    assert photos.removed(kinds=[Kind.ALTERED], scope=reference) == set()
    assert photos.removed(kinds=[Kind.ALTERED], scope=reference, keep_lesser=True) == {"card/sound.jpg"}
    assert photos.removed(kinds=[Kind.ALTERED]) == {"safe/damaged.jpg"}


@pytest.mark.parametrize(
    ("kind", "lack"), [("overlap", ("", "a part")), ("same-scene", ("", "a bird")), ("raw+jpeg", ("", ""))]
)
def test_other_kinds_are_never_offered_whatever_is_asked_for(photos, tmp_path, kind, lack):
    photos.add("a.jpg", "b.jpg")
    photos.say("a.jpg", format="RAW" if kind == "raw+jpeg" else "JPEG")
    photos.match("a.jpg", "b.jpg", kind, lack=lack, reason="differs at 61 %, 40 %: 3 % of the frame")
    for options in ({}, {"kinds": list(Kind)}, {"kinds": [kind]}, {"keep_lesser": True}):
        findings = photos.find(**options)
        [group] = [*findings.plan.groups, *findings.related]
        assert (group.kind, group.why) == (kind, "nothing is removed")
        [member] = group.members
        assert (member.action, member.along) == (Action.KEEP, ())
        assert "differs at 61 %, 40 %: 3 % of the frame" in member.reason
        plan_file.write(findings.plan, tmp_path / "plan.json", overwrite=True)
        assert plan_file.read(tmp_path / "plan.json").groups == findings.plan.groups
    before = {path: path.read_bytes() for path in photos.root.rglob("*")}
    photos.index.apply(photos.find(kinds=list(Kind)).plan, ApplyOptions(kinds=frozenset(REMOVABLE)))
    assert {path: path.read_bytes() for path in photos.root.rglob("*")} == before


def test_applying_leaves_altered_files_alone_unless_they_are_named(photos, tmp_path):
    photos.add("original.jpg", "marked.jpg")
    photos.match("original.jpg", "marked.jpg", "altered", lack=("a mark", "what it covers"))
    sizes = {name: (photos.root / name).stat().st_size for name in photos.names}
    for name, size in sizes.items():
        photos.file(name, size=size)
    plan = photos.find(kinds=list(REMOVABLE), keep="shortest-path").plan
    assert photos.stars(plan.groups) == [("altered", "marked.jpg", ["original.jpg"])]
    for kinds in ({Kind.EXACT}, {Kind.EXACT, Kind.SAME_PIXELS, Kind.NEAR}):
        report = photos.index.apply(plan, ApplyOptions(kinds=frozenset(kinds)))
        assert (report.photos, report.other_kinds) == (0, {Kind.ALTERED: 1})
    assert photos.index.apply(plan, ApplyOptions(kinds=frozenset({Kind.ALTERED}))).photos == 1
    assert not (photos.root / "original.jpg").exists()


def test_plans_say_in_words_what_would_be_lost(grey, tmp_path):
    plan = grey.find(keep="resolution", keep_lesser=True).plan
    plan_file.write(plan, tmp_path / "plan.json")
    [group] = json.loads((tmp_path / "plan.json").read_text())["groups"]
    assert group["members"][0]["would_lose"] == "colour"
    assert "would_lose" not in group["keeper"]
