"""Plans on disk: nothing is lost, edits mean what the words say, nonsense is refused."""

import csv
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from plans import PLANS

from retrieval.dedupe.plan import plan_file
from retrieval.dedupe.plan.records import Action, Group, Kind, Member, Plan, PlannedFile
from retrieval.errors import PlanError

FOLDER = Path("/photos").absolute()
MTIME_NS = 1763896000123456789
SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
NUMBERS = ("group", "cosine", "score", "width", "height", "bytes")


def file(name, number=1, **facts):
    return PlannedFile(FOLDER / name, 1000 + number, MTIME_NS, f"{number:064x}", **facts)


def near(number=1, first=1, members=2):
    made = [
        Member(
            file(f"{first + place}.jpg", first + place, width=60, height=40),
            Action.REMOVE,
            f"crop {place} %",
            0.9 + place / 100,
            0.8 + place / 100,
            (FOLDER / f"{first + place}.xmp",),
        )
        for place in range(1, members + 1)
    ]
    keeper = file(f"{first}.cr2", first, format="RAW", width=6000, height=4000, taken_at="2019-05-04T10:11:12")
    return Group(number, Kind.NEAR, keeper, "RAW", tuple(made))


def exact(number=1):
    keeper = replace(file("a.jpg"), path=FOLDER / "a.jpg")
    members = tuple(Member(replace(keeper, path=FOLDER / name), Action.REMOVE, "same bytes") for name in ("b", "c"))
    return Group(number, Kind.EXACT, keeper, "older", members)


def plan(*groups):
    return Plan("2025-11-23T11:00:00+00:00", FOLDER / "indexes" / "mine", "flagship", groups)


@pytest.fixture(params=["csv", "json"])
def path(request, tmp_path):
    return tmp_path / f"plan.{request.param}"


def edited(path, plan, edit):
    """Write a plan, change it as a person would, and read it back. `edit` gets the rows, keepers first, as dicts."""
    plan_file.write(plan, path, overwrite=True)
    if path.suffix == ".csv":
        names, rows = table(path)
        save(path, names, edit(rows) or rows)
    else:
        document = json.loads(path.read_text(encoding="utf-8"))
        rows = [
            {"group": str(group["group"]), "role": role, "document": one, **one}
            for group in document["groups"]
            for role, one in [("keeper", group["keeper"]), *(("member", member) for member in group["members"])]
        ]
        rows = edit(rows) or rows
        for group in document["groups"]:
            mine = [row for row in rows if row["group"] == str(group["group"])]
            for row in mine:
                row["document"].update({name: row[name] for name in ("action", "path")})
            group["keeper"] = next((row["document"] for row in mine if row["role"] == "keeper"), None)
            group["members"] = [row["document"] for row in mine if row["role"] == "member"]
        path.write_text(json.dumps(document), encoding="utf-8")
    return plan_file.read(path)


def table(path):
    with path.open(encoding="utf-8-sig", newline="") as opened:
        reader = csv.DictReader(opened)
        return list(reader.fieldnames), list(reader)


def save(path, names, rows, encoding="utf-8-sig", **dialect):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, **dialect)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))


@SAME_FOLDER
@given(PLANS)
def test_nothing_is_lost(tmp_path, made):
    for suffix in ("csv", "json"):
        path = tmp_path / f"plan.{suffix}"
        plan_file.write(made, path, overwrite=True)
        assert plan_file.read(path) == made


@SAME_FOLDER
@given(PLANS)
def test_no_cell_is_a_formula_or_breaks_a_line(tmp_path, made):
    plan_file.write(made, tmp_path / "plan.csv", overwrite=True)
    text = (tmp_path / "plan.csv").read_bytes().decode("utf-8-sig")
    assert text.count("\n") == 1 + sum(1 + len(group.members) for group in made.groups)
    _, rows = table(tmp_path / "plan.csv")
    for row in rows:
        for name, cell in row.items():
            assert name in NUMBERS or not cell.startswith(FORMULA_STARTS)


def test_the_keeper_comes_first_and_what_a_person_wants_before_the_rest(tmp_path):
    plan_file.write(plan(near()), tmp_path / "plan.csv")
    names, rows = table(tmp_path / "plan.csv")
    assert names[:6] == ["group", "kind", "role", "action", "path", "reason"]
    assert [row["role"] for row in rows] == ["keeper", "member", "member"]
    assert rows[0]["reason"] == "RAW"
    assert rows[1]["cosine"] == "0.91"
    assert not rows[1]["mtime_ns"].isdigit()


def test_json_has_the_documented_shape(tmp_path):
    plan_file.write(plan(near()), tmp_path / "plan.json")
    document = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    assert list(document) == ["format_version", "tool", "created_at", "index", "model", "groups"]
    (group,) = document["groups"]
    assert (group["group"], group["kind"], group["keeper"]["why"]) == (1, "near", "RAW")
    assert [member["reason"] for member in group["members"]] == ["crop 1 %", "crop 2 %"]
    assert group["members"][0]["moves_along"] == [str(FOLDER / "2.xmp")]


def test_an_empty_plan(path):
    plan_file.write(plan(), path)
    assert plan_file.read(path) == plan()


def test_a_file_that_is_there_is_kept(path):
    plan_file.write(plan(near()), path)
    before = path.read_bytes()
    with pytest.raises(PlanError, match="exists"):
        plan_file.write(plan(), path)
    assert path.read_bytes() == before
    plan_file.write(plan(), path, overwrite=True)
    assert plan_file.read(path) == plan()


def test_a_plan_that_cannot_be_written_leaves_nothing(tmp_path, path):
    with pytest.raises(PlanError, match="cannot be written"):
        plan_file.write(plan(), tmp_path / "missing" / path.name)
    odd = plan(replace(near(), why=None))
    odd = plan(replace(odd.groups[0], members=None))
    with pytest.raises(TypeError):
        plan_file.write(odd, path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["plan", "plan.txt", "plan.csv.gz"])
def test_other_suffixes_are_refused(tmp_path, name):
    with pytest.raises(PlanError, match=r"\.csv or \.json"):
        plan_file.write(plan(), tmp_path / name)
    with pytest.raises(PlanError, match=r"\.csv or \.json"):
        plan_file.read(tmp_path / name)


# What a person may do.


def test_a_file_can_be_spared(path):
    def edit(rows):
        rows[1]["action"] = "keep"

    made = near()
    first, second = made.members
    spared = replace(made, members=(replace(first, action=Action.KEEP), second))
    assert edited(path, plan(made), edit) == plan(spared)


def test_deleted_rows_are_not_touched(path):
    made = near()
    assert edited(path, plan(made), lambda rows: [rows[0], rows[2]]) == plan(replace(made, members=made.members[1:]))
    assert edited(path, plan(made), lambda rows: rows[:1]) == plan()


def test_exchanging_keep_and_remove_changes_the_keeper(path):
    def edit(rows):
        rows[0]["action"], rows[1]["action"] = "remove", "keep"

    made = near()
    (group,) = edited(path, plan(made), edit).groups
    assert (group.keeper, group.why) == (made.members[0].file, "chosen by hand")
    assert [member.file for member in group.members] == [made.keeper, made.members[1].file]
    for member in group.members:
        assert (member.action, member.reason, member.cosine, member.score) == (Action.REMOVE, "", None, 0)


def test_without_its_keeper_the_kept_file_is_keeper(path):
    def edit(rows):
        rows[2]["action"] = "keep"
        return rows[1:]

    made = near()
    (group,) = edited(path, plan(made), edit).groups
    assert group.keeper == made.members[1].file
    assert [(member.file, member.reason) for member in group.members] == [(made.members[0].file, "")]


def test_of_several_that_stay_the_first_is_keeper(path):
    def edit(rows):
        for row, action in zip(rows, ("remove", "remove", "keep", "keep"), strict=True):
            row["action"] = action

    made = near(members=3)
    (group,) = edited(path, plan(made), edit).groups
    assert group.keeper == made.members[1].file
    assert [member.action for member in group.members] == [Action.REMOVE, Action.REMOVE, Action.KEEP]


def test_the_same_bytes_need_no_other_proof(path):
    def edit(rows):
        rows[0]["action"], rows[1]["action"] = "remove", "keep"

    (group,) = edited(path, plan(exact()), edit).groups
    assert [(member.reason, member.score) for member in group.members] == [("", 1), ("same bytes", 1)]


def test_written_again_an_edited_plan_stays_what_it_is(path):
    def edit(rows):
        rows[0]["action"], rows[1]["action"] = "remove", "keep"

    once = edited(path, plan(near(), exact(2)), edit)
    assert edited(path, once, lambda rows: None) == once


# What a spreadsheet may do.

SAVED = plan(near(), exact(2))


@pytest.mark.parametrize(
    "dialect",
    [
        {"delimiter": ";"},
        {"delimiter": "\t", "encoding": "utf-16"},
        {"lineterminator": "\n", "encoding": "utf-8"},
        {"lineterminator": "\r"},
        {"quoting": csv.QUOTE_ALL},
        {"delimiter": ";", "quoting": csv.QUOTE_ALL, "lineterminator": "\n"},
    ],
)
def test_saved_by_other_programs(tmp_path, dialect):
    path = tmp_path / "plan.csv"
    plan_file.write(SAVED, path)
    save(path, *table(path), **dialect)
    assert plan_file.read(path) == SAVED


def test_sorted_rows_moved_columns_and_notes(tmp_path):
    path = tmp_path / "plan.csv"
    plan_file.write(SAVED, path)
    names, rows = table(path)
    for row in rows:
        row["my notes"] = "look, again"
    save(path, ["my notes", *reversed(names)], sorted(rows, key=lambda row: row["sha256"], reverse=True))
    read = plan_file.read(path)
    assert {group.number: group.keeper for group in read.groups} == {one.number: one.keeper for one in SAVED.groups}
    assert sum(len(group.members) for group in read.groups) == 4


def test_empty_rows_and_columns_at_the_end(tmp_path):
    path = tmp_path / "plan.csv"
    plan_file.write(SAVED, path)
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    text = "\n".join(f"{line},,," for line in lines) + "\n" + ",,,,,,\n\n,,,\n"
    path.write_text(text, encoding="utf-8")
    assert plan_file.read(path) == SAVED


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_lines_in_one_cell_each(tmp_path, delimiter):
    """A program that expects another separator takes lines for single cells, split where they hold it."""
    made = near()
    member = replace(made.members[0], file=replace(made.members[0].file, path=FOLDER / f"a{delimiter}b, c.jpg"))
    made = plan(replace(made, members=(member,), why="RAW; older"), exact(2))
    path = tmp_path / "plan.csv"
    plan_file.write(made, path)
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    rows = list(csv.reader(lines, delimiter=delimiter))
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows([*row, ""] for row in rows)
    path.write_text(text.getvalue(), encoding="utf-8-sig", newline="")
    assert plan_file.read(path) == made


def test_numbers_for_looking_at_may_be_spoiled(tmp_path):
    path = tmp_path / "plan.csv"
    plan_file.write(SAVED, path)
    names, rows = table(path)
    rows[1] |= {"cosine": "0,91", "score": "81", "width": "60,0", "height": "1E+02", "taken_at": "04.05.2019"}
    rows[2] |= {"cosine": "12. Nov", "score": "", "action": " Remove "}
    rows[4] |= {"score": "#####"}
    save(path, names, rows)
    first, second = plan_file.read(path).groups
    one, two = first.members
    assert (one.cosine, one.score, one.file.width, one.file.height) == (0.91, 0, None, None)
    assert (two.cosine, two.score, two.action) == (None, 0, Action.REMOVE)
    assert second.members[0].score == 1


def test_columns_for_looking_at_may_be_deleted(tmp_path):
    path = tmp_path / "plan.csv"
    plan_file.write(SAVED, path)
    names, rows = table(path)
    gone = ("reason", "cosine", "score", "width", "height", "taken_at", "format")
    save(path, [name for name in names if name not in gone], rows, extrasaction="ignore")
    read = plan_file.read(path)
    assert [group.keeper.path for group in read.groups] == [group.keeper.path for group in SAVED.groups]
    assert read.groups[0].members[0].along == SAVED.groups[0].members[0].along


# Nonsense.


def refused(path, match, edit, made=None):
    with pytest.raises(PlanError, match=match) as caught:
        edited(path, made or plan(near(), exact(2)), edit)
    assert path.name in str(caught.value)


def test_a_group_of_which_nothing_stays(path):
    def edit(rows):
        rows[0]["action"] = "remove"

    refused(path, "no file of group 1 stays", edit)
    refused(path, "no file of group 1 stays", lambda rows: rows[1:])


def test_a_file_in_two_groups_or_twice_in_one(path):
    def across(rows):
        rows[4]["path"] = rows[1]["path"]

    def within(rows):
        rows[2]["path"] = rows[1]["path"]

    refused(path, "stands there already", across)
    refused(path, "stands there already", within)


@pytest.mark.parametrize("action", ["", "delete", "kepe"])
def test_an_unknown_action(path, action):
    def edit(rows):
        rows[1]["action"] = action

    refused(path, "it must be one of keep, remove", edit)


@pytest.mark.parametrize("value", ["", "photos/a.jpg", "../a.jpg", str(FOLDER / ".." / "a.jpg")])
def test_a_path_that_is_none(path, value):
    def edit(rows):
        rows[1]["path"] = value

    refused(path, "names no file" if not value else "not an absolute path", edit)


def test_a_protected_file_is_not_removed(path):
    made = near()
    first = replace(made.members[0], file=replace(made.members[0].file, protected=True))
    refused(path, "reference folder", lambda rows: None, plan(replace(made, members=(first,))))


def test_a_line_is_named(tmp_path):
    def edit(rows):
        rows[4]["action"] = "x"

    refused(tmp_path / "plan.csv", "plan.csv, line 6: ", edit)
    refused(tmp_path / "plan.json", "plan.json, group 2, member 1: ", edit)


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("kind", "nearly", "it must be one of exact"),
        ("kind", "exact", "group 1 is near"),
        ("role", "", "not keeper or member"),
        ("role", "keeper", "two keepers"),
        ("group", "", "not a whole number"),
        ("group", "0", "not a whole number"),
        ("bytes", "1.2 MB", "not a whole number"),
        ("bytes", "-5", "not a whole number"),
        ("mtime_ns", "1.7639E+18", "not a whole number"),
        ("sha256", "", "64 hexadecimal digits"),
        ("sha256", "1E+63", "64 hexadecimal digits"),
        ("protected", "perhaps", "not yes or no"),
        ("moves_along", "a.xmp", "cannot be read"),
        ("moves_along", '"a.xmp"', "not a list"),
        ("moves_along", '["a.xmp"]', "not an absolute path"),
        ("path", '"/a', "cannot be read"),
        ("path", '"/a" b"', "cannot be read"),
    ],
)
def test_spoiled_cells(tmp_path, name, value, match):
    def edit(rows):
        rows[1][name] = value

    refused(tmp_path / "plan.csv", match, edit)


def test_rows_pulled_into_another_group(tmp_path):
    def pull(rows):
        rows[1]["group"] = rows[2]["group"] = rows[3]["group"]

    made = near(2, 10, members=1)
    read = edited(tmp_path / "plan.csv", plan(near(1), made), pull)
    strangers, (own,) = read.groups[-1].members[:-1], read.groups[-1].members[-1:]
    assert [(member.reason, member.cosine, member.score) for member in strangers] == [("", None, 0)] * 2
    assert own.reason == "crop 1 %"
    refused(tmp_path / "plan.csv", "group 2 is near", pull, plan(near(1), replace(exact(2), number=2)))


def test_an_exact_group_with_other_bytes(path):
    other = Member(file("z.jpg", 77), Action.REMOVE, "same bytes")
    refused(path, "not the bytes", lambda rows: None, plan(replace(exact(1), members=(other,))))


def test_missing_columns_are_named(tmp_path):
    path = tmp_path / "plan.csv"
    plan_file.write(SAVED, path)
    names, rows = table(path)
    save(path, [name for name in names if name not in ("action", "sha256")], rows, extrasaction="ignore")
    with pytest.raises(PlanError, match=r"plan\.csv lacks columns: action, sha256"):
        plan_file.read(path)
    save(path, names[:-1], rows, extrasaction="ignore")
    with pytest.raises(PlanError, match="retrieval plan"):
        plan_file.read(path)


@pytest.mark.parametrize(
    ("name", "data", "match"),
    [
        ("plan.csv", b"", "is empty"),
        ("plan.json", b"\n", "is empty"),
        ("plan.csv", b"\xef\xbb\xbf\r\n", "is empty"),
        ("plan.csv", b"\xff\xd8\xff\xe0 no text", "not in UTF-8"),
        ("plan.json", b"\xff\xd8\xff\xe0 no text", "is no JSON"),
        ("plan.csv", b"name,value\n1,2\n", "is no plan"),
        ("plan.csv", b"x" * 200_000, "no CSV"),
        ("plan.json", b"[1, 2]", "is no plan"),
        ("plan.json", b'{"groups": []}', "is no plan"),
        ("plan.json", b"[" * 100_000, "is no JSON"),
        ("plan.json", b'{"format_version": 1, "tool": "retrieval", "groups": []}', "does not say"),
    ],
)
def test_what_is_no_plan(tmp_path, name, data, match):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(PlanError, match=match) as caught:
        plan_file.read(tmp_path / name)
    assert name in str(caught.value)


def test_a_missing_plan_and_a_folder(tmp_path, path):
    with pytest.raises(PlanError, match="cannot be read"):
        plan_file.read(path)
    path.mkdir()
    with pytest.raises(PlanError, match="cannot be read"):
        plan_file.read(path)


def test_a_newer_version(path):
    plan_file.write(plan(near()), path)
    data = path.read_bytes()
    quote = b'""' if path.suffix == ".csv" else b'"'
    assert data.count(quote + b"format_version" + quote + b": 1") == 1
    path.write_bytes(data.replace(b"format_version" + quote + b": 1", b"format_version" + quote + b": 2"))
    with pytest.raises(PlanError, match="newer version"):
        plan_file.read(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda group: group.update(members=None),
        lambda group: group.update(members=[1]),
        lambda group: group.update(kind=["near"]),
        lambda group: group.update(group=True),
        lambda group: group["members"][0].update(moves_along=5),
        lambda group: group["members"][0].update(moves_along=[5]),
        lambda group: group["members"][0].update(cosine="0.9"),
        lambda group: group["members"][0].update(score=float("nan")),
        lambda group: group["members"][0].update(reason=7),
        lambda group: group["members"][0].update(width=-1),
        lambda group: group["members"][0].update(protected=None),
        lambda group: group["members"][0].update(path="/a\0b"),
        lambda group: group["members"][0].update(bytes=1.5),
        lambda group: group.update(keeper=5) or group["members"].pop(),
    ],
)
def test_spoiled_json(tmp_path, change):
    path = tmp_path / "plan.json"
    plan_file.write(plan(near()), path)
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document["groups"][0])
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(PlanError, match=r"plan\.json, group"):
        plan_file.read(path)


def test_times_in_json_may_be_numbers(tmp_path):
    path = tmp_path / "plan.json"
    plan_file.write(plan(near()), path)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(f'"{MTIME_NS}"', str(MTIME_NS)), encoding="utf-8-sig")
    assert plan_file.read(path) == plan(near())


@pytest.mark.skipif(os.name == "nt", reason="Windows needs a privilege for links")
def test_a_link_is_not_overwritten_either(tmp_path, path):
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(PlanError, match="exists"):
        plan_file.write(plan(), path)
