"""Plans as CSV: they survive what spreadsheets do to them, and nothing in them is a formula."""

import csv
import io
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from plans import FOLDER, PLANS, SAVED, edited, exact, near, plan, save, table

from retrieval.dedupe.plan import plan_file
from retrieval.dedupe.plan.records import Action
from retrieval.errors import PlanError

SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
NUMBERS = ("group", "cosine", "score", "width", "height", "bytes")


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
    rows[4] |= {"score": "#####", "places": "[[1,2,3", "keeper_places": "12,5"}
    save(path, names, rows)
    first, second = plan_file.read(path).groups
    one, two = first.members
    assert (one.cosine, one.score, one.file.width, one.file.height) == (0.91, 0, None, None)
    assert (two.cosine, two.score, two.action) == (None, 0, Action.REMOVE)
    assert second.members[0].score == 1
    assert second.members[0].places == second.members[0].keeper_places == ()


def test_columns_for_looking_at_may_be_deleted(tmp_path):
    path = tmp_path / "plan.csv"
    plan_file.write(SAVED, path)
    names, rows = table(path)
    gone = (
        "reason",
        "would_lose",
        "places",
        "keeper_places",
        "cosine",
        "score",
        "width",
        "height",
        "taken_at",
        "format",
    )
    save(path, [name for name in names if name not in gone], rows, extrasaction="ignore")
    read = plan_file.read(path)
    assert [group.keeper.path for group in read.groups] == [group.keeper.path for group in SAVED.groups]
    assert read.groups[0].members[0].along == SAVED.groups[0].members[0].along


def refused(path, match, edit, made=None):
    with pytest.raises(PlanError, match=match) as caught:
        edited(path, made or plan(near(), exact(2)), edit)
    assert path.name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("kind", "nearly", "not one of exact"),
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


def test_missing_columns_are_named(tmp_path):
    path = tmp_path / "plan.csv"
    plan_file.write(SAVED, path)
    names, rows = table(path)
    save(path, [name for name in names if name not in ("action", "sha256")], rows, extrasaction="ignore")
    with pytest.raises(PlanError, match=r"plan\.csv lacks columns \(action, sha256\)"):
        plan_file.read(path)
    save(path, names[:-1], rows, extrasaction="ignore")
    with pytest.raises(PlanError, match="retrieval plan"):
        plan_file.read(path)
