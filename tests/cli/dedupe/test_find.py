import csv
import io
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from removals import tree
from textures import saved, textured

from retrieval.cli import main
from retrieval.dedupe.plan import plan_file
from retrieval.lock import writing

SIZE = (200, 150)


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def find(*words: object) -> Result:
    return call("dedupe", "find", *words)


def test_a_plan_and_a_page_are_written_and_no_photo_is_changed(library):
    before = tree(library / "archive")
    done = find("-o", "plan.csv", "--html", "page.html")
    assert done.exit_code == 0
    assert tree(library / "archive") == before
    assert "exact copies" in done.stdout
    assert "near duplicates" in done.stdout
    assert "retrieval dedupe apply plan.csv" in done.stderr
    assert "page.html" in done.stderr
    plan = plan_file.read(Path("plan.csv"))
    assert [(group.kind.value, len(group.members)) for group in plan.groups] == [("exact", 1), ("near", 1)]
    assert plan.index == library / "indexes" / "archive"
    assert "mirrored" in plan.groups[1].members[0].reason
    page = Path("page.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") >= 4
    assert find("-o", "plan.json").exit_code == 0
    assert plan_file.read(Path("plan.json")).groups == plan.groups


def test_the_plan_can_be_carried_out_and_taken_back(library):
    before = tree(library / "archive")
    assert find("-o", "plan.csv").exit_code == 0
    assert call("dedupe", "apply", "plan.csv", "--kinds", "exact,near").exit_code == 0
    left = {name for name, file in tree(library / "archive").items() if file and not name.startswith(".retrieval-held")}
    assert len(left) == 2
    assert "no duplicates found" in find().stdout
    assert call("dedupe", "undo").exit_code == 0
    assert tree(library / "archive") == before
    assert len(json.loads(find("--format", "json").stdout)["groups"]) == 2


@pytest.mark.parametrize(
    "words", [["-o", "there.csv"], ["-o", "new.csv", "--html", "there.html"], ["-o", "there.json"]]
)
def test_nothing_is_overwritten_unasked(library, words):
    there = Path(words[-1])
    there.write_text("edited by a person")
    refused = find(*words)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert f"Error: {there} already exists" in refused.stderr
    assert there.read_text() == "edited by a person"
    assert not Path("new.csv").exists()
    done = find(*words, "--overwrite")
    assert done.exit_code == 0, done.stderr
    assert there.stat().st_size > 100


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["-o", "plan.txt"], "its name must end in .csv or .json"),
        (["-o", "plan.csv", "--html", "page.csv"], "its name must end in .html"),
        (["-o", "none/plan.csv"], "none"),
    ],
)
def test_names_that_cannot_be_written_are_refused_before_the_work(library, words, reason):
    with writing(library / "indexes" / "archive"):  # whoever begins to work runs into this
        refused = find(*words)
    assert refused.exit_code in (1, 2)
    assert reason in refused.stderr.splitlines()[-1]
    assert refused.stdout == ""


def test_json_has_the_documented_shape(library):
    done = find("--format", "json")
    document = json.loads(done.stdout)
    exact, near = document["groups"]
    archive = library / "archive"
    assert (exact["kind"], near["kind"]) == ("exact", "near")
    for group in (exact, near):
        assert set(group) >= {"kind", "keeper", "members"}
        assert set(group["keeper"]) >= {"path", "why"}
        assert group["keeper"]["why"]
        for member in group["members"]:
            assert set(member) >= {"path", "cosine", "reason"}
            assert member["path"] != group["keeper"]["path"]
    paths = {exact["keeper"]["path"], *(member["path"] for member in exact["members"])}
    assert paths == {str(archive / "one.jpg"), str(archive / "b" / "copy\nof one.jpg")}
    [edit] = near["members"]
    assert edit["path"] == str(archive / "b" / "edit.jpg")
    assert "mirrored" in edit["reason"]
    assert document["apart"] == []


@pytest.mark.parametrize("form", ["table", "tsv", "csv", "json", "jsonl"])
def test_only_data_goes_to_stdout(library, form):
    done = find("--format", form, "--progress")
    assert "to remove" in done.stderr  # the summary
    assert "\r" not in done.stdout
    if form == "jsonl":
        assert len([json.loads(line) for line in done.stdout.splitlines()]) == 2
    if form == "csv":
        rows = list(csv.reader(io.StringIO(done.stdout, newline="")))
        assert len({len(row) for row in rows}) == 1
        assert len(rows) == 3
    if form == "tsv":
        assert len({line.count("\t") for line in done.stdout.splitlines()}) == 1
        assert len(done.stdout.splitlines()) == 3
    if form != "table":
        assert "archive/one.jpg" in find("--format", form, "--relative").stdout
        assert str(library / "archive") not in find("--format", form, "--relative").stdout


def test_without_a_plan_it_is_said_how_to_get_one(library):
    done = find()
    assert done.exit_code == 0
    assert "-o plan.csv" in done.stderr
    assert not list(library.glob("*.csv"))


def test_a_folder_restricts(library):
    done = find("archive/b", "--format", "json")
    [group] = json.loads(done.stdout)["groups"]
    assert {Path(group["keeper"]["path"]).parent} == {library / "archive" / "b"}
    assert len(json.loads(find("archive", "--format", "json").stdout)["groups"]) == 2


def test_folders_that_are_not_indexed(library):
    (library / "elsewhere").mkdir()
    for words in (["elsewhere"], ["--across", "archive", "elsewhere"], ["elsewhere", "--index", "indexes/archive"]):
        refused = find(*words)
        assert (refused.exit_code, refused.stdout) == (1, "")
        [line] = refused.stderr.splitlines()
        assert "elsewhere" in line
        assert "retrieval index" in line
    assert find("nowhere").exit_code == 2


def test_more_than_one_index(library, model):
    saved(textured(5, SIZE), library / "other" / "x.jpg")
    assert call("index", "other", "--index", "indexes/second", "--model", model).exit_code == 0
    assert "no duplicates found" in find("other").stdout
    assert "exact copies" in find("archive").stdout
    refused = find()
    assert refused.exit_code == 1
    assert "--index" in refused.stderr


def test_no_index(place):
    refused = find()
    assert refused.exit_code == 1
    assert "retrieval index" in refused.stderr


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (["--kinds", "nearly"], 2, "nearly is not a kind: choose from exact, same-pixels, near, altered, overlap,"),
        (["--kinds", ","], 2, "an empty list is not a kind"),
        (["--kinds", "exact,foo,bar"], 2, "foo, bar is not a kind"),
        (["--keep", "largest"], 1, "there is no rule 'largest'"),
        (["--keep", "path:"], 1, "there is no rule"),
        (["--min-score", "2"], 2, "0<=x<=1"),
        (["--across", "archive"], 2, "requires 2 arguments"),
        (["--across", "archive", "archive"], 1, "cannot be compared with itself"),
        (["--both-ways"], 2, "--both-ways needs --across"),
        (["--reference", "nowhere"], 2, "does not exist"),
        (["-j", "0"], 2, "x>=1"),
    ],
)
def test_wishes_that_make_no_sense(library, words, code, reason):
    refused = find(*words)
    assert (refused.exit_code, refused.stdout) == (code, "")
    assert reason in refused.stderr


def test_options_reach_the_work(library):
    assert [group["kind"] for group in json.loads(find("--kinds", "exact", "--format", "json").stdout)["groups"]] == [
        "exact"
    ]
    kept = json.loads(find("--keep", "path:archive/b,shortest-name", "--format", "json").stdout)["groups"]
    assert all(Path(group["keeper"]["path"]).parent.name == "b" for group in kept)
    safe = json.loads(find("--reference", "archive/b", "--format", "json").stdout)["groups"]
    assert all(group["keeper"]["protected"] for group in safe)
    assert {Path(member["path"]).name for group in safe for member in group["members"] if member["action"] == "remove"}
    same = json.loads(find("--same-folder", "--format", "json").stdout)["groups"]
    assert [len(group["members"]) for group in same] == [1]
    for words, sides in (([], {"b"}), (["--both-ways"], {"b", "archive"})):
        across = find("--across", "archive/b", "archive", "--keep", "shortest-name", *words, "--format", "json")
        groups = json.loads(across.stdout)["groups"]
        assert groups
        assert {Path(one["path"]).parent.name for group in groups for one in group["members"]} <= sides
        assert all(group["keeper"]["protected"] for group in groups) is not bool(words)


def test_nothing_found(place, model):
    saved(textured(1, SIZE), place / "archive" / "one.jpg")
    assert call("index", "archive", "--model", model).exit_code == 0
    done = find("-o", "plan.csv", "--html", "page.html")
    assert done.exit_code == 0
    assert "no duplicates found" in done.stdout
    assert plan_file.read(Path("plan.csv")).groups == ()
    assert json.loads(find("--format", "json").stdout)["groups"] == []


def test_another_writer(library):
    with writing(library / "indexes" / "archive"):
        refused = find("-o", "plan.csv")
    assert (refused.exit_code, refused.stdout) == (1, "")
    [line] = refused.stderr.splitlines()
    assert "being written by process" in line
    assert not Path("plan.csv").exists()


@pytest.mark.skipif(not hasattr(os, "setresuid") or os.geteuid() != 0, reason="changes to another user and back")
def test_an_index_that_cannot_be_written(library):
    before = find("--kinds", "exact", "--format", "json")  # loads what another user may not even read
    for folder in (library, *library.parents):
        if folder not in (Path("/"), Path("/tmp")) and folder.stat().st_uid == 0:
            folder.chmod(folder.stat().st_mode | 0o055)
    os.setresuid(65534, 65534, 0)  # the real user as well: that is whom os.access asks for
    try:
        refused = find()
        exact = find("--kinds", "exact", "--format", "json")
    finally:
        os.setresuid(0, 0, 0)
    assert (refused.exit_code, refused.stdout) == (1, "")
    [line] = refused.stderr.splitlines()
    assert line.startswith("Error: ")
    assert "ermission" in line
    assert "unexpected" not in line
    assert exact.exit_code == 0, exact.stderr  # needs only to read
    assert exact.stdout == before.stdout


def test_stopping_says_how_to_go_on(library, monkeypatch):
    from retrieval.dedupe.alike import scan
    from retrieval.errors import Interrupted

    def stop(*_arguments: object) -> None:
        raise Interrupted

    monkeypatch.setattr(scan.Scan, "_compare", stop)
    stopped = find("-o", "plan.csv")
    assert (stopped.exit_code, stopped.stdout) == (130, "")
    assert "Run the same command again" in stopped.stderr
    assert not Path("plan.csv").exists()
