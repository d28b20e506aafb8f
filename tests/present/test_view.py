import csv
import io
import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum
from pathlib import Path

import pytest

from retrieval.present.view import Layout, View, json_array, of_document, path_text, plain, render

PATHS = [Path("/photos/a.jpg"), Path("/photos/line\nend\x1b[2J.jpg")]


class Colour(Enum):
    RED = "red"


@dataclass
class Size:
    width: int
    height: float


def view() -> View:
    return View(
        ("path", "n"), ([(path, number)] for number, path in enumerate(PATHS)),
        ({"path": path, "n": number} for number, path in enumerate(PATHS)), iter(["a table\n"]), iter(PATHS),
    )  # fmt: skip


def text(form: str, **options: object) -> str:
    layout = Layout(form, **options)
    return "".join(render(view(), layout))


def test_every_format_has_the_same_records():
    assert text("table") == "a table\n"
    assert [one["path"] for one in json.loads(text("json"))] == [str(path) for path in PATHS]
    assert [json.loads(line) for line in text("jsonl").splitlines()] == json.loads(text("json"))
    assert [row["path"] for row in csv.DictReader(io.StringIO(text("csv"), newline=""))] == [str(p) for p in PATHS]
    assert text("tsv").splitlines()[0] == "path\tn"
    assert text("paths0").split("\0")[:-1] == [str(path) for path in PATHS]


@pytest.mark.parametrize("form", ["tsv", "csv", "paths"])
def test_names_cannot_steer_a_terminal(form):
    assert "\x1b" in text(form)
    assert "\x1b" not in text(form, width=80)


def test_values_are_written_as_json_knows_them():
    zone = timezone(timedelta(hours=3))
    values = {
        "float": 0.123456789, "path": PATHS[0], "enum": Colour.RED, "nothing": None, "yes": True,
        "time": datetime(2021, 3, 4, 6, 12, 33, tzinfo=zone), "burst": datetime(2021, 3, 4, 6, 12, 33, 250_000),
        "record": Size(3, 0.5), "list": (1, PATHS[0]),
    }  # fmt: skip
    assert plain(values, Layout()) == {
        "float": 0.123457, "path": str(PATHS[0]), "enum": "red", "nothing": None, "yes": True,
        "time": "2021-03-04T06:12:33+03:00", "burst": "2021-03-04T06:12:33.250",
        "record": {"width": 3, "height": 0.5}, "list": [1, str(PATHS[0])],
    }  # fmt: skip


def test_a_document_has_a_row_for_each_of_its_values():
    document = {"name": "x", "size": Size(3, 0.5), "curve": [{"recall": 1}, {"recall": 2}]}
    layout = Layout("tsv")
    rows = [line.split("\t") for line in "".join(render(of_document(document, []), layout)).splitlines()]
    assert rows == [
        ["name", "value"], ["name", "x"], ["size.width", "3"], ["size.height", "0.5"], ["curve.1.recall", "1"],
        ["curve.2.recall", "2"],
    ]  # fmt: skip
    assert json.loads("".join(render(of_document(document, []), Layout("json"))))["curve"][1] == {"recall": 2}


@pytest.mark.parametrize("count", [0, 1, 3])
def test_an_array_is_whole_whatever_its_length(count):
    assert json.loads("".join(json_array(range(count)))) == [*range(count)]


def test_without_rows_there_is_a_header(monkeypatch, tmp_path):
    assert "".join(render(View(("a", "b"), [], [], []), Layout("csv"))).strip() == "a,b"
    monkeypatch.chdir(tmp_path)
    assert path_text(tmp_path / "b" / "a.jpg", Layout(relative=True)) == str(Path("b/a.jpg"))
