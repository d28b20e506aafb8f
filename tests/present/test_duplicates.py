"""Groups of duplicates as text."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from plans import PLANS

from retrieval.dedupe.plan.records import Action, Group, Kind, Member, Plan, PlannedFile
from retrieval.present import duplicates as present
from retrieval.present.view import Layout, plain, render

FOLDER = Path("/photos").absolute()


def file(name, size=1_200_000_000):
    return PlannedFile(FOLDER / name, size, 0, "0" * 64, width=60, height=40, taken_at="2019-05-04T10:11:12")


def group(number, kind, *names, action=Action.REMOVE, size=1_200_000_000):
    keeper, *others = (file(name, size) for name in names)
    members = tuple(Member(one, action, "crop 12 %", 0.9876543, 0.75, (FOLDER / "b.xmp",)) for one in others)
    return Group(number, kind, keeper, "more pixels", members)


def plan(*groups):
    return Plan("2025-11-23T11:00:00+00:00", FOLDER / "index", "flagship", groups)


def unquoted(cell):
    return json.loads(cell) if cell.startswith('"') else cell


def shown(made, form, apart=()):
    layout = Layout(form)
    return render(present.duplicates(made, apart, layout=layout), layout)


def document(made, apart=(), *, relative=False):
    return plain(present.document(made, apart), Layout(relative=relative))


NEAR = group(1, Kind.NEAR, "a.jpg", "b.jpg", "c.jpg")
EXACT = group(2, Kind.EXACT, "d.jpg", "e.jpg", size=999)
BURST = group(3, Kind.BURST, "f.jpg", "g.jpg", "h.jpg", action=Action.KEEP)
PAIR = group(4, Kind.RAW_JPEG, "i.cr2", "i.jpg", action=Action.KEEP)


def test_the_summary_counts_by_kind_and_together():
    lines = [" ".join(line.split()) for line in present.summary(plan(NEAR, EXACT), [BURST, PAIR]).splitlines()]
    assert "kind groups to remove to free" in lines
    assert "exact copies 1 1 999 bytes" in lines
    assert "near duplicates 1 2 2.4 GB" in lines
    assert "together 2 3 2.4 GB" in lines
    assert "bursts: 3 files in 1 group, kept" in lines
    assert "RAW and JPEG: 2 files in 1 group, kept" in lines


def test_altered_pictures_are_counted_as_offered_only_if_any_are():
    altered = replace(NEAR, kind=Kind.ALTERED)
    assert "altered pictures 1 2 2.4 GB" in " ".join(present.summary(plan(altered)).split())
    kept = replace(altered, members=tuple(replace(one, action=Action.KEEP) for one in altered.members))
    assert present.summary(plan(), [kept]) == "no duplicates found\naltered pictures: 3 files in 1 group, kept\n"


def test_what_would_be_lost_is_told_in_every_form():
    lossy = replace(NEAR, members=tuple(replace(one, would_lose="colour") for one in NEAR.members))
    lossy = replace(lossy, members=(replace(lossy.members[0], places=((1, 2, 3, 4),)), *lossy.members[1:]))
    assert "crop 12 %; would lose: colour" in "".join(shown(plan(lossy), "table"))
    assert next(present.rows([lossy]))[-1] == "colour"
    [one, _] = document(plan(lossy))["groups"][0]["members"]
    assert (one["would_lose"], one["places"], one["keeper_places"]) == ("colour", [[1, 2, 3, 4]], [])
    [one, _] = document(plan(NEAR))["groups"][0]["members"]
    assert one["would_lose"] is None


def test_a_summary_tells_if_files_of_a_burst_are_to_go():
    chosen = replace(BURST, members=tuple(replace(one, action=Action.REMOVE) for one in BURST.members))
    assert present.summary(plan(chosen)) == "no duplicates found\nbursts: 3 files in 1 group, 2 to remove\n"


def test_spared_files_are_not_to_win():
    spared = replace(NEAR, members=(NEAR.members[0], replace(NEAR.members[1], action=Action.KEEP)))
    assert "1.2 GB" in present.summary(plan(spared))


def test_nothing_found():
    assert present.summary(plan()) == "no duplicates found\n"
    assert json.loads("".join(shown(plan(), "json"))) == {"model": "flagship", "groups": [], "apart": []}
    assert "".join(shown(plan(), "jsonl")) == "".join(shown(plan(), "table")) == ""


def test_the_keeper_is_not_among_the_members():
    (one,) = document(plan(NEAR))["groups"]
    assert one["kind"] == "near"
    assert (one["keeper"]["path"], one["keeper"]["why"]) == (str(FOLDER / "a.jpg"), "more pixels")
    assert [member["path"] for member in one["members"]] == [str(FOLDER / "b.jpg"), str(FOLDER / "c.jpg")]
    assert one["members"][0]["cosine"] == 0.987654
    assert one["members"][0]["reason"] == "crop 12 %"
    assert one["members"][0]["moves_along"] == [str(FOLDER / "b.xmp")]


def test_groups_apart_stand_apart():
    found = document(plan(NEAR), [BURST])
    assert [one["group"] for one in found["groups"]] == [1]
    assert [one["group"] for one in found["apart"]] == [3]


@given(PLANS)
def test_json_is_the_document_whatever_the_names(made):
    text = "".join(shown(made, "json", made.groups[:1]))
    assert json.loads(text.encode("utf-8")) == document(made, made.groups[:1])


@given(PLANS)
def test_jsonl_is_a_group_a_line(made):
    lines = "".join(shown(made, "jsonl")).encode("utf-8").split(b"\n")
    assert [json.loads(line) for line in lines[:-1]] == document(made)["groups"]


@given(PLANS)
def test_tables_are_printable_and_tsv_keeps_one_line_a_member(made):
    table = "".join(shown(made, "table"))
    assert all(char.isprintable() or char == "\n" for char in table)
    table.encode("utf-8")
    lines = "".join(shown(made, "tsv")).split("\n")[:-1]
    assert len(lines) == 1 + sum(len(one.members) for one in made.groups)
    assert {line.count("\t") for line in lines} == {len(present.COLUMNS) - 1}


@given(PLANS)
def test_csv_of_the_standard_library_reads_ours(made):
    text = "".join(shown(made, "csv"))
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert tuple(header) == present.COLUMNS
    members = [(one, member) for one in made.groups for member in one.members]
    assert [tuple(map(unquoted, (row[2], row[3], row[7]))) for row in rows] == [
        (str(one.keeper.path), str(member.file.path), member.reason) for one, member in members
    ]


def test_a_row_tells_both_files_and_the_match():
    (row, _) = (plain(one, Layout()) for one in present.rows([NEAR]))
    assert row[:4] == ["near", 1, str(FOLDER / "a.jpg"), str(FOLDER / "b.jpg")]
    assert row[4:] == ["remove", 0.987654, 0.75, "crop 12 %", "more pixels", ""]


def test_the_table_shows_keeper_and_members():
    text = "".join(shown(plan(NEAR), "table"))
    assert text.startswith(f"near 1: {FOLDER / 'a.jpg'} stays: more pixels\n")
    assert f"remove 0.988 0.750 1.2 GB crop 12 % {FOLDER / 'b.jpg'}" in " ".join(text.split())


def test_paths_as_seen_from_here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    here = plan(Group(1, Kind.EXACT, replace(NEAR.keeper, path=Path.cwd() / "a.jpg"), "older", NEAR.members))
    assert document(here, relative=True)["groups"][0]["keeper"]["path"] == "a.jpg"
    assert plain(next(present.rows(here.groups)), Layout(relative=True))[2] == "a.jpg"
