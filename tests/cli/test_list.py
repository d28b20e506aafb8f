import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from photos import archive, photo
from PIL import ExifTags, Image
from tiny import tiny_checkpoint

from retrieval.cli import main


@pytest.fixture
def place(tmp_path, monkeypatch, model):
    """A working folder with ./archive indexed: eight photos of four years by two cameras, one undated."""
    monkeypatch.chdir(tmp_path)
    for number in range(8):
        exif = Image.Exif()
        exif[ExifTags.Base.Model] = "EOS R5" if number % 2 else "NIKON Z 9"
        if number:
            taken = f"{2018 + number // 2}:05:0{number} 10:00:00"
            exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
        photo(tmp_path / "archive" / f"{number}.jpg", number, exif=exif)
    assert call("index", "archive", "--model", model).exit_code == 0
    return tmp_path


def call(*words: object, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], env=env)


def listed(*words: object, env: dict[str, str] | None = None) -> list[str]:
    """The names of the photos that a list has."""
    done = call("list", *words, "-f", env=env)
    assert done.exit_code == 0, done.stderr
    return [Path(line).name for line in done.stdout.splitlines()]


def test_every_format_says_the_same(place):
    paths = [str(place / "archive" / f"{number}.jpg") for number in range(8)]
    documents = json.loads(call("list", "--format", "json").stdout)
    assert [one["path"] for one in documents] == paths
    assert set(documents[0]) == {
        *("path", "species", "probability", "taken_at", "camera", "latitude", "longitude", "width", "height", "size"),
    }
    assert (documents[0]["taken_at"], documents[1]["taken_at"]) == (None, "2018-05-01T10:00:00")
    assert [json.loads(line) for line in call("list", "--format", "jsonl").stdout.splitlines()] == documents
    for form, dialect in (("tsv", "excel-tab"), ("csv", "excel")):
        rows = list(csv.DictReader(io.StringIO(call("list", "--format", form).stdout, newline=""), dialect=dialect))
        assert [row.pop("label_kind") for row in rows] == ["species"] * 8
        assert rows == [{k: "" if v is None else str(v) for k, v in one.items()} for one in documents]
    assert call("list", "-0").stdout.split("\0")[:-1] == paths
    assert call("list", "-f", "--relative").stdout.splitlines()[0] == str(Path("archive", "0.jpg"))
    table = call("list", "--format", "table").stdout.splitlines()
    assert table[0].split() == ["taken", "species", "camera", "MB", "path"]
    assert [line[line.index(str(place)) :] for line in table[1:]] == paths


def test_filters_choose(place):
    assert listed("--since", 2019, "--until", "2020-05-04") == ["2.jpg", "3.jpg", "4.jpg"]
    assert listed("--camera", "r5", "--camera", "z 9") == [f"{number}.jpg" for number in range(8)]
    assert listed("--camera", "*r5", "--not-camera", "nikon", "--since", 2020) == ["5.jpg", "7.jpg"]
    assert listed("--under", "archive", "--sort", "date", "--reverse", "--limit", 2) == ["7.jpg", "6.jpg"]
    assert listed("--near", "0,0,9") == []
    assert listed("--not-near", "0,0,9", "--limit", 1) == ["0.jpg"]
    every = json.loads(call("list", "--format", "json").stdout)
    for name in {one["species"] for one in every}:
        own = [Path(one["path"]).name for one in every if one["species"] == name]
        assert listed("--species", name.upper().replace(" ", "_")) == own
        assert listed("--not-species", name) == sorted({f"{number}.jpg" for number in range(8)} - set(own))
    certain = [Path(one["path"]).name for one in every if one["probability"] >= 0.4]
    assert listed("--min-probability", 0.4) == certain
    assert call("list", "--count", "--max-probability", 0.4).stdout == f"{8 - len(certain)}\n"
    assert listed("--species", "*", env={"RETRIEVAL_LIST_CAMERA": "eos r5,z"}) == listed()
    assert listed(env={"RETRIEVAL_LIST_SPECIES": "species 0,species 1", "RETRIEVAL_LIST_SINCE": "2019"}) == listed(
        "--species", "species 0", "--species", "species 1", "--since", 2019
    )


def test_what_a_date_cannot_choose_is_told_on_stderr(place):
    found = call("list", "--since", 2020, "--count")
    assert (found.stdout, found.stderr) == ("4\n", "--since and --until leave out 1 photo without a date.\n")
    assert call("list", "--near", "0,0,9", "--count").stderr == "--near leaves out 8 photos without a place.\n"
    assert call("list", "--count").stderr == ""


def test_a_life_list(place):
    every = json.loads(call("list", "--format", "json").stdout)
    species = {one["species"] for one in every}
    found = json.loads(call("list", "--by-species", "--format", "json").stdout)
    assert [one["species"] for one in found] == sorted(species)
    for one in found:
        own = [photo for photo in every if photo["species"] == one["species"]]
        dates = sorted(photo["taken_at"] for photo in own if photo["taken_at"])
        assert (one["photos"], one["days"]) == (len(own), len(dates))
        assert [one["first"], one["last"]] == ([dates[0], dates[-1]] if dates else [None, None])
        assert (one["path"], one["probability"]) == max(
            ((photo["path"], photo["probability"]) for photo in own), key=lambda pair: pair[1]
        )
    for sort, key in (("photos", lambda one: -one["photos"]), ("probability", lambda one: -one["probability"])):
        ordered = [
            json.loads(line)
            for line in call("list", "--by-species", "--sort", sort, "--format", "jsonl").stdout.splitlines()
        ]
        assert ordered == sorted(found, key=key)
    dated = sorted(one["first"] for one in found if one["first"])
    for words, expected in (((), dated), (("--reverse",), dated[::-1])):
        rows = call("list", "--by-species", "--sort", "date", "--format", "jsonl", *words).stdout.splitlines()
        firsts = [json.loads(row)["first"] for row in rows]
        assert firsts == expected + [None] * (len(found) - len(dated))
    assert call("list", "--by-species", "-f").stdout.splitlines() == [one["path"] for one in found]
    assert call("list", "--by-species", "--count").stdout == f"{len(found)}\n"
    assert call("list", "--by-species", "--format", "table").stdout.split()[:4] == [
        "species",
        "photos",
        "days",
        "first",
    ]
    assert call("list", "--by-species", "--species", "species 4", "--format", "json").stdout == "[]\n"


def test_what_cannot_be_is_said_in_one_line_and_nothing_is_printed(place):
    for words, code, said in (
        (("--species", "specis 1"), 1, "did you mean 'species 1'"),
        (("--not-species", "dodo"), 1, "no species is called 'dodo' here"),
        (("--camera", "sony"), 1, "there are EOS R5, NIKON Z 9"),
        (("--under", "nowhere"), 1, "its roots are archive"),
        (("--under", "archive/nowhere"), 1, "there is no folder archive/nowhere"),
        (("--since", "yesterday"), 2, "is no date: give 2021"),
        (("--since", "2021", "--until", "2020"), 2, "2021 is after 2020"),
        (("--near", "1,2"), 2, "give LAT,LON,KM"),
        (("--near", "95,2,1"), 2, "latitude goes from -90 to 90"),
        (("--min-probability", "0.9", "--max-probability", "0.1"), 2, "the lower one first"),
        (("--sort", "photos"), 2, "add --by-species"),
    ):
        for form in ("tsv", "json", "table"):
            done = call("list", *words, "--format", form)
            assert (done.exit_code, done.stdout) == (code, ""), words
            assert said in done.stderr
            assert "Traceback" not in done.stderr


def test_query_looks_among_those_chosen(place):
    found = call("query", "archive/3.jpg", "--camera", "r5", "--since", 2019, "-f", "-k", 5)
    assert {Path(line).name for line in found.stdout.splitlines()} == {"3.jpg", "5.jpg", "7.jpg"}
    answer = json.loads(call("query", "archive/3.jpg", "--other-species", "--format", "json").stdout)
    assert answer["predictions"][0]["species"] not in {hit["species"] for hit in answer["hits"]}
    assert answer["hits"]
    none = call("query", "archive/3.jpg", "--since", 2030, "--format", "table")
    assert (none.exit_code, "no photos found" in none.stdout) == (0, True)
    wrong = call("query", "archive/3.jpg", "--species", "specis 1")
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert "did you mean" in wrong.stderr


def test_dedupe_find_looks_among_those_chosen(place):
    (place / "archive" / "copy.jpg").write_bytes((place / "archive" / "3.jpg").read_bytes())
    assert call("index").exit_code == 0
    words = ("dedupe", "find", "--kinds", "exact", "--format", "json")
    assert len(json.loads(call(*words).stdout)["groups"]) == 1
    assert len(json.loads(call(*words, "--camera", "r5").stdout)["groups"]) == 1
    assert json.loads(call(*words, "--not-camera", "r5").stdout)["groups"] == []
    assert "no species is called 'dodo'" in call(*words, "--species", "dodo").stderr


def test_general_labels_are_told_of(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    weights = tiny_checkpoint(tmp_path / "general.safetensors", label_kind="general")
    archive(tmp_path / "archive", 3)
    assert call("index", "archive", "--model", weights).exit_code == 0
    said = call("query", "archive/000.jpg", "--other-species", "-f").stderr
    assert "names no species: --other-species only leaves out photos with the same general label" in said
    chosen = call("list", "--species", "species*", "--format", "jsonl")
    assert "use its general labels" in chosen.stderr
    assert json.loads(chosen.stdout.splitlines()[0])["label_kind"] == "general"
    table = call("list", "--by-species", "--format", "table")
    assert table.stdout.startswith("general label")
    assert table.stderr == ""
    assert call("list", "--format", "tsv").stdout.splitlines()[1].endswith("\tgeneral")
