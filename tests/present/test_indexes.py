import json

import pytest
from photos import archive

from retrieval.present import indexes as present
from retrieval.present.view import Layout, render
from retrieval.records import Report


@pytest.fixture
def filled(index, tmp_path):
    index.add(archive(tmp_path / "a", 30))
    return index


def text(view, form="table"):
    return "".join(render(view, Layout(form)))


def test_a_report_tells_what_a_person_wants_and_a_program_gets_all_of_it():
    report = Report(added=3, gone=1, embedded=1, elapsed_s=2.0, links=1, ignored=2)
    shown = text(present.report(report, "birds"))
    assert "added          3" in shown and " changed" not in shown and "failed          0" in shown
    assert "1 network pass in 2.0 s, 0.5 photos/s. Index: birds" in shown
    assert "1 symbolic link not followed." in shown and "2 other files, not photos." in shown
    found = json.loads(text(present.report(report, "birds"), "json"))
    assert (found["index"], found["added"], found["changed"], found["elapsed_s"]) == ("birds", 3, 0, 2.0)


def test_status_names_roots_that_are_not_there(filled, tmp_path):
    assert "not there now" not in text(present.status(filled.status()))
    (tmp_path / "a").rename(tmp_path / "b")
    shown = text(present.status(filled.status()))
    assert f"{tmp_path / 'a'}  (not there now)" in shown
    assert "30 indexed, 0 failed, 0 gone" in shown
    found = json.loads(text(present.status(filled.status()), "json"))
    assert found["photos"] == {"indexed": 30, "failed": 0, "gone": 0}
    assert found["vectors"] == {"rows": 30, "dead": 0}


def test_search_shows_the_curve_with_the_engines_own_parameters(filled):
    shown = text(present.search(filled.optimise(recall=0.9)))
    assert "30" in shown and "target 0.9" in shown
    assert "ms a query" in shown


def test_an_empty_index_has_nothing_to_search(index):
    assert text(present.search(index.optimise())) == "There are no photos to search yet.\n"


def test_problems_come_with_their_remedy_and_repairs_without(filled):
    with (filled.folder / "vectors.f16").open("ab") as file:
        file.write(b"x" * 64)
    broken = present.verification(filled.verify(), lambda problem: "do this")
    shown = text(broken)
    assert "problem: " in shown and "; do this" in shown and "30 vectors checked: 1 problem" in shown
    repaired = text(present.verification(filled.verify(repair=True), lambda problem: "do this"))
    assert "repaired: " in repaired and "do this" not in repaired and repaired.endswith("30 vectors checked: sound\n")
