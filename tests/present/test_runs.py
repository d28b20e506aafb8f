import json
from pathlib import Path

import pytest
from photos import photo
from removals import group, plan

from retrieval.present.runs import GONE, ignored_pairs, run_amount, run_report, runs
from retrieval.present.view import Layout, render


def text(view, form):
    return "".join(render(view, Layout(form)))


@pytest.fixture
def applied(index, tmp_path):
    """An index whose copy was removed, with the report."""
    kept = photo(tmp_path / "a" / "kept.jpg", 1)
    copy = tmp_path / "a" / "copy.jpg"
    copy.write_bytes(kept.read_bytes())
    index.add(tmp_path / "a")
    return index, index.apply(plan(group(1, kept, copy), index=index.folder))


def test_a_report_is_words_for_people_and_numbers_for_programs(applied):
    _, report = applied
    found = json.loads(text(run_report(report, "done\n"), "json"))
    assert (found["mode"], found["photos"], found["dry_run"], found["skipped"]) == ("move", 1, False, [])
    assert text(run_report(report, "done\n"), "table") == "done\n"
    assert run_amount(report).startswith("1 photo (")


def test_runs_are_a_row_each(applied):
    index, report = applied
    (line,) = text(runs(index.runs()), "jsonl").splitlines()
    found = json.loads(line)
    assert (found["run"], found["files"], found["state"]) == (report.run, 1, "finished")
    assert text(runs([]), "table") == "no runs yet\n"


def test_pairs_name_photos_or_say_that_they_are_gone():
    pairs = [([Path("/a.jpg"), Path("/copy.jpg")], [])]
    assert text(ignored_pairs(pairs, Layout("tsv")), "tsv").splitlines()[1].split("\t") == ["/a.jpg", GONE]
    assert json.loads(text(ignored_pairs(pairs, Layout("json")), "json")) == [
        {"first": ["/a.jpg", "/copy.jpg"], "second": []}
    ]
    assert text(ignored_pairs(pairs, Layout("paths")), "paths") == "/a.jpg\n/copy.jpg\n"
