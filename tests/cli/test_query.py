import csv
import io
import json
import os

from calling import call


def test_index_then_query(indexed):
    assert [path.name for path in (indexed / "indexes").iterdir()] == ["archive"]
    found = call("query", "archive/003.jpg", "-k", 4, "--format", "json")
    assert found.exit_code == 0
    answer = json.loads(found.stdout)
    assert set(answer) == {"query", "model", "predictions", "hits"}
    assert answer["query"] == "archive/003.jpg"
    assert [hit["rank"] for hit in answer["hits"]] == [1, 2, 3, 4]
    assert set(answer["hits"][0]) == {"rank", "score", "path", "species", "probability", "taken_at"}
    assert answer["hits"][0]["path"] == str(indexed / "archive" / "003.jpg")
    assert set(answer["predictions"][0]) == {"species", "probability"}


def test_every_format_says_the_same(indexed):
    paths = [str(path) for path in sorted((indexed / "archive").iterdir())]
    asked = ("query", "archive/005.jpg", "-k", 3)
    expected = [hit["path"] for hit in json.loads(call(*asked, "--format", "json").stdout)["hits"]]
    assert set(expected) <= set(paths)
    assert call(*asked, "-f").stdout.splitlines() == expected
    assert call(*asked, "-0").stdout.split("\0")[:-1] == expected
    line = json.loads(call(*asked, "--format", "jsonl").stdout)
    assert [hit["path"] for hit in line["hits"]] == expected
    tsv = [row.split("\t") for row in call(*asked, "--format", "tsv").stdout.splitlines()]
    assert [row[4] for row in tsv if row[1] == "hit"] == expected
    assert sum(row[1] == "prediction" for row in tsv) == 5
    rows = list(csv.DictReader(io.StringIO(call(*asked, "--format", "csv").stdout, newline="")))
    assert [row["path"] for row in rows if row["kind"] == "hit"] == expected
    table = call(*asked, "--format", "table").stdout
    assert all(path in table for path in expected)
    assert call(*asked, "-f", "--relative").stdout.splitlines() == [os.path.relpath(path) for path in expected]
    assert call(*asked).stdout == call(*asked, "--format", "tsv").stdout  # no terminal here


def test_several_queries_and_a_failing_one(indexed):
    asked = ("query", "archive/001.jpg", "nothing.jpg", "archive/002.jpg", "-k", 1)
    array = call(*asked, "--format", "json")
    assert array.exit_code == 0
    answers = json.loads(array.stdout)
    assert [answer["query"] for answer in answers] == ["archive/001.jpg", "nothing.jpg", "archive/002.jpg"]
    assert answers[1]["failure"]["kind"] == "unreadable"
    assert "hits" not in answers[1]
    assert "nothing.jpg: " in array.stderr
    lines = call(*asked, "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == answers
    assert call(*asked, "--strict").exit_code == 3
    assert call("query", "nothing.jpg").exit_code == 1
    assert call("query", "archive").exit_code == 1


def test_stdin(indexed):
    data = (indexed / "archive" / "004.jpg").read_bytes()
    answer = json.loads(call("query", "-", "-k", 1, "--format", "json", stdin=data).stdout)
    assert answer["query"] == "-"
    assert answer["hits"][0]["path"].endswith("004.jpg")
    empty = call("query", "-", stdin=b"")
    assert (empty.exit_code, "no bytes" in empty.stderr) == (1, True)


def test_min_score_and_species(indexed):
    answer = json.loads(
        call("query", "archive/001.jpg", "--min-score", 0.9999, "--predictions", 2, "--format", "json").stdout
    )
    assert (len(answer["hits"]), len(answer["predictions"])) == (1, 2)
