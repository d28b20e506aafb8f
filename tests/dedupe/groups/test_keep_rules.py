"""Which file stays, and the words for it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.dedupe.groups import keep_rules
from retrieval.dedupe.groups.keep_rules import Candidate, KeepRule
from retrieval.dedupe.plan.records import PlannedFile
from retrieval.errors import QueryError, Remedy

PHOTOS = Path("/photos").absolute()
DAY_NS = 24 * 3600 * 10**9
DEFAULT = keep_rules.parse(keep_rules.DEFAULT)


def candidate(name="a.jpg", size=1000, mtime_ns=0, *, folder=PHOTOS, facts=None, **more):
    file = PlannedFile(folder / name, size, mtime_ns, "0" * 64, **(facts or {}))
    return Candidate(file, **more)


def pixels(width, height, **more):
    return {"width": width, "height": height, **more}


def best(candidates, rules=keep_rules.DEFAULT):
    rules = keep_rules.parse(rules)
    first, *others = keep_rules.preferred_first(candidates, rules)
    return first.file.path.name, keep_rules.why(first, others, rules)


SUFFIXES = st.sampled_from([".jpg", ".CR2", ".heic", ".png", ""])
OPTIONAL_SIDE = st.none() | st.integers(1, 3)
CANDIDATES = st.builds(
    lambda name, suffix, size, mtime_ns, width, height, protected, place, sidecars: candidate(
        name + suffix,
        size,
        mtime_ns,
        facts=pixels(width, height, protected=protected),
        has_place=place,
        sidecars=sidecars,
    ),
    st.text("ab", min_size=1, max_size=3),
    SUFFIXES,
    st.integers(0, 3),
    st.integers(-2, 2),
    OPTIONAL_SIDE,
    OPTIONAL_SIDE,
    st.booleans(),
    st.booleans(),
    st.integers(0, 2),
)
GROUPS = st.lists(CANDIDATES, min_size=1, max_size=8, unique_by=lambda one: one.file.path)
RULES = st.lists(
    st.sampled_from([name for name in keep_rules.RULES if ":" not in name] + ["format:raw>heic>jpg", "path:/photos"])
)


@given(GROUPS, RULES, st.randoms(use_true_random=False))
def test_the_order_is_total_and_does_not_depend_on_the_input(group, names, random):
    rules = keep_rules.parse(names)
    result = keep_rules.preferred_first(group, rules)
    shuffled = list(group)
    random.shuffle(shuffled)
    assert keep_rules.preferred_first(shuffled, rules) == result
    assert sorted(result, key=lambda one: one.file.path) == sorted(group, key=lambda one: one.file.path)


@given(GROUPS, RULES)
def test_protected_files_come_first(group, names):
    flags = [one.file.protected for one in keep_rules.preferred_first(group, keep_rules.parse(names))]
    assert flags == sorted(flags, reverse=True)


@given(GROUPS, RULES)
def test_an_earlier_rule_outweighs_all_later_ones(group, names):
    rules = keep_rules.parse(names)
    first, *others = keep_rules.preferred_first(group, rules)
    for other in others:
        if first.file.protected == other.file.protected:
            assert [rule.rank(first) for rule in rules] <= [rule.rank(other) for rule in rules]


@given(GROUPS.filter(lambda group: len(group) > 1), RULES)
def test_there_is_always_a_reason(group, names):
    rules = keep_rules.parse(names)
    first, *others = keep_rules.preferred_first(group, rules)
    assert keep_rules.why(first, others, rules)


def test_raw_stays_though_it_has_fewer_pixels():
    group = [candidate("a.jpg", 9_000, facts=pixels(6000, 4000)), candidate("a.cr2", 10, facts=pixels(3000, 2000))]
    assert best(group) == ("a.cr2", "RAW")


def test_contents_and_not_the_name_tell_raw():
    group = [candidate("a.jpg", facts={"format": "RAW"}), candidate("b.cr2", facts={"format": "JPEG"})]
    assert best(group) == ("a.jpg", "RAW")


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ([(1600, 1300)], "24.0 megapixels against 2.1 megapixels"),
        ([(1600, 1300), (160, 130)], "24.0 megapixels against at most 2.1 megapixels"),
        ([(5999, 4000)], "24,000,000 pixels against 23,996,000"),
        ([(None, None)], "24.0 megapixels against unknown"),
    ],
)
def test_more_pixels_stay(others, reason):
    group = [candidate(f"{place}.jpg", facts=pixels(*sides)) for place, sides in enumerate([*others, (6000, 4000)])]
    assert best(group) == (f"{len(others)}.jpg", reason)


def test_more_bytes_stay():
    assert best([candidate("a.jpg", 300_000), candidate("b.jpg", 8_100_000)]) == ("b.jpg", "8.1 MB against 300 kB")
    assert best([candidate("a.jpg", 300_000), candidate("b.jpg", 300_001)])[1] == "300,001 bytes against 300,000"


def test_richer_metadata_stay():
    bare, rich = candidate("a.jpg", camera="Canon"), candidate("b.jpg", camera="Canon", has_place=True, sidecars=2)
    assert best([bare, rich]) == ("b.jpg", "richer metadata: place, camera, 2 sidecars against camera")
    assert best([bare, candidate("b.jpg")])[1] == "richer metadata: camera against none"
    assert rich.richness == 4


def test_the_older_file_stays_and_the_newer_one_on_request():
    group = [candidate("a.jpg", mtime_ns=18_020 * DAY_NS), candidate("b.jpg", mtime_ns=18_000 * DAY_NS)]
    assert best(group) == ("b.jpg", "older: 2019-04-14 against 2019-05-04")
    assert best(group, "newest") == ("a.jpg", "newer: 2019-05-04 against 2019-04-14")
    moment = [candidate("a.jpg", mtime_ns=90 * 10**9), candidate("b.jpg", mtime_ns=0)]
    assert best(moment) == ("b.jpg", "older by 0:01:30")


def test_what_each_rule_decided_is_told_in_turn():
    group = [
        candidate("a.cr2", facts=pixels(6000, 4000)),
        candidate("b.cr2", facts=pixels(4000, 3000)),
        candidate("c.jpg", facts=pixels(9000, 6000)),
    ]
    assert best(group) == ("a.cr2", "RAW, then 24.0 megapixels against 12.0 megapixels")


def test_alike_files_are_told_apart_by_their_names():
    group = [candidate("a (1).jpg"), candidate("a.jpg"), candidate("b.jpg")]
    assert best(group) == ("a.jpg", "equal by all rules: the shorter name")
    assert best(group[1:]) == ("a.jpg", "equal by all rules: the first by path")


def test_reference_folders_outweigh_every_rule():
    group = [candidate("a.cr2"), candidate("b.jpg", facts={"protected": True}), candidate("c.jpg")]
    assert best(group, "raw") == ("b.jpg", "in a reference folder")


def test_folders_in_order_of_preference(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    group = [candidate("a.jpg", 9000), candidate("b.jpg", folder=second / "deep"), candidate("c.jpg", folder=first)]
    rules = f"path:{first},path:{second},bytes"
    assert best(group, rules) == ("c.jpg", f"in {first}")
    assert best(group[:2], rules) == ("b.jpg", f"in {second}")
    assert best([group[0], candidate("d.jpg", folder=tmp_path / "first-aid")], rules)[0] == "a.jpg"


def test_folders_are_seen_from_the_current_one_and_may_hold_commas(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert keep_rules.parse("path:a,,b , raw") == (KeepRule("path", str(tmp_path / "a,b")), KeepRule("raw"))


def test_formats_by_contents_or_name():
    group = [
        candidate("a.png"),
        candidate("b.jpeg", facts={"format": "JPEG"}),
        candidate("c", facts={"format": "HEIF"}),
    ]
    assert best(group, "format:raw>heic>jpg") == ("c", "preferred format: HEIF")
    assert best(group[:2], "format:raw>heic>jpg")[0] == "b.jpeg"
    assert best(group, "format:.PNG")[0] == "a.png"


def test_shorter_names_and_paths(tmp_path):
    group = [candidate("aa.jpg", folder=tmp_path), candidate("b.jpg", folder=tmp_path / "deep")]
    assert best(group, "shortest-name") == ("b.jpg", "shorter name")
    assert best(group, "shortest-path") == ("aa.jpg", "shorter path")


@pytest.mark.parametrize(
    "text",
    ["nicest", "raw,nicest", "path", "path:", "raw:yes", "format:jpg>nonsense", "format:", "format:>", "RAW;bytes"],
)
def test_unknown_rules_are_refused_with_the_known_ones(text):
    with pytest.raises(QueryError, match="format:") as caught:
        keep_rules.parse(text)
    assert caught.value.remedy in (Remedy.KEEP_RULES, Remedy.FORMAT_RULE)


def test_rules_come_in_order_from_one_text_or_several():
    assert [rule.name for rule in DEFAULT] == ["raw", "resolution", "bytes", "metadata", "oldest"]
    assert keep_rules.parse(["raw,RESOLUTION", " oldest "]) == keep_rules.parse("raw, resolution,oldest,")
    assert keep_rules.parse("") == ()


def test_what_others_lack_comes_before_the_rules():
    group = [candidate("a.jpg", 9), candidate("b.jpg", 8)]
    assert (
        keep_rules.why(*group[:1], [], DEFAULT, ["colour", "2 pages", "colour"])
        == "has what others lack: colour; 2 pages"
    )
    both = keep_rules.why(group[0], group[1:], DEFAULT, ["colour"])
    assert both == "has what others lack: colour, then 9 bytes against 8 bytes"
    assert keep_rules.why(group[0], [], DEFAULT, "abcde") == "has what others lack: a; b; c, ..."
    protected = candidate("a.jpg", facts={"protected": True})
    assert keep_rules.why(protected, group[1:], DEFAULT, ["colour"]) == "in a reference folder"


def test_every_rule_is_documented_and_can_be_used(tmp_path):
    values = {"format:A>B": "format:raw>jpg", "path:DIR": f"path:{tmp_path}"}
    group = [candidate("a.jpg"), candidate("b.jpg")]
    for name in keep_rules.RULES:
        assert best(group, values.get(name, name))[0] == "a.jpg"
