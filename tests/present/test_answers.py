import json
from pathlib import Path

import pytest

from retrieval.present.answers import COLUMNS, answers
from retrieval.present.view import Layout, render
from retrieval.records import Answer, Failure, Hit, Prediction

HITS = tuple(Hit(rank, 0.9 - rank / 10, Path(f"/p/{rank}.jpg"), "heron", 0.5, None) for rank in (1, 2))
ANSWER = Answer("q.jpg", "tiny", (Prediction("heron", 0.75),), HITS)
FAILED = Answer("b.jpg", "tiny", failure=Failure(Path("b.jpg"), "empty", "no bytes"))


def text(found, form="json", **options):
    layout = Layout(form)
    return "".join(render(answers(iter(found), layout, **options), layout))


def test_json_is_one_object_for_one_answer_and_an_array_for_several():
    one = json.loads(text([ANSWER]))
    assert (one["query"], [hit["rank"] for hit in one["hits"]]) == ("q.jpg", [1, 2])
    assert json.loads(text([ANSWER], array=True)) == [one]
    assert json.loads(text([ANSWER, FAILED]))[0] == one
    assert json.loads(text([], array=True)) == []


def test_a_failure_takes_the_place_of_predictions_and_hits():
    found = json.loads(text([FAILED]))
    assert found == {"query": "b.jpg", "model": "tiny", "failure": {"kind": "empty", "reason": "no bytes"}}
    header, row = text([FAILED], "tsv").splitlines()
    cells = dict(zip(header.split("\t"), row.split("\t"), strict=True))
    assert (cells["kind"], cells["failure"]) == ("failure", "empty: no bytes")
    assert "cannot be answered: no bytes" in text([FAILED], "table")


def test_rows_are_predictions_then_hits():
    header, *rows = (line.split("\t") for line in text([ANSWER], "tsv").splitlines())
    assert tuple(header) == COLUMNS
    assert [(row[1], row[2]) for row in rows] == [("prediction", "1"), ("hit", "1"), ("hit", "2")]
    assert text([ANSWER, FAILED], "paths").splitlines() == ["/p/1.jpg", "/p/2.jpg"]


@pytest.mark.parametrize("form", ["json", "table"])
def test_hits_can_be_left_out(form):
    assert "/p/1.jpg" not in text([ANSWER], form, hits=False)


def test_general_labels_are_marked():
    general = Answer("q.jpg", "tiny", (Prediction("heron", 0.75),), HITS, label_kind="general")
    assert json.loads(text([general]))["label_kind"] == "general"
    assert "no species identification" in text([general], "table")
    assert "label_kind" not in json.loads(text([ANSWER]))


def test_hidden_duplicates_are_told_where_they_were_looked_for():
    hit = Hit(1, 0.5, Path("/p/1.jpg"), None, None, None, hidden=3)
    assert "+3" in text([Answer("q", "tiny", (), (hit,))], "table")
    assert json.loads(text([Answer("q", "tiny", (), (hit,))]))["hits"][0]["hidden"] == 3
    assert "hidden" not in text([ANSWER], "table")
