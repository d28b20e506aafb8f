import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from photos import archive, photo
from tiny import tiny_checkpoint

from retrieval.cli import COMMANDS, main
from retrieval.lock import writing

PYTHON = [sys.executable, "-m", "retrieval"]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty working folder."""
    for name in os.environ:
        if name.startswith("RETRIEVAL_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def indexed(place, model):
    """A working folder with ./archive indexed."""
    archive(place / "archive", 12)
    assert call("index", "archive", "--model", model).exit_code == 0
    return place


def call(*words: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], input=stdin)


def test_help_and_import_load_nothing_heavy():
    heavy = {"torch", "torchvision", "faiss", "sqlalchemy", "PIL", "rawpy", "huggingface_hub", "rich"}
    for words, allowed in ((["--help"], set()), *(([name, "--help"], {"numpy"}) for name in COMMANDS)):
        script = (
            "import sys, retrieval\n"
            "from retrieval.cli import main\n"
            f"main({words!r}, standalone_mode=False)\n"
            "print(*sys.modules, file=sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout.startswith("Usage: ")
        assert set(done.stderr.split()) & (heavy | {"numpy"}) <= allowed, words


def test_a_query_of_an_indexed_photo_loads_only_what_it_needs(indexed):
    script = (
        "import sys\n"
        "from retrieval.cli import main\n"
        "main(['query', 'archive/003.jpg'], standalone_mode=False)\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.count("\thit\t") == 12
    loaded = set(done.stderr.split())
    assert "faiss" in loaded
    idle = {"torch", "openvino", "cv2", "numpy.ma", "retrieval.dedupe", "retrieval.indexing", "retrieval.cli.remedies"}
    assert not loaded & idle


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


def test_the_summary_tells_what_was_done(indexed):
    photo(indexed / "archive" / "new.jpg", 50)
    (indexed / "archive" / "000.jpg").rename(indexed / "archive" / "moved.jpg")
    (indexed / "archive" / "001.jpg").unlink()
    (indexed / "archive" / "bad.jpg").write_text("no photo")
    (indexed / "archive" / "notes.txt").write_text("x")
    done = call("index")
    assert done.exit_code == 0
    words = done.stdout.split()
    told = {name: words[words.index(name) + 1] for name in ("added", "unchanged", "moved", "gone", "failed")}
    assert told == {"added": "1", "unchanged": "10", "moved": "1", "gone": "1", "failed": "1"}
    assert "1 other file, not photos" in done.stdout
    assert "bad.jpg: " in done.stderr
    (listed,) = json.loads(call("status", "--failures", "--format", "json").stdout)
    assert (listed["path"], listed["kind"]) == (str(indexed / "archive" / "bad.jpg"), "not-a-photo")
    assert call("status", "--failures").stdout.splitlines()[0].split("\t") == [*listed]
    report = json.loads(call("index", "--format", "json").stdout)
    assert (report["unchanged"], report["failed"], report["embedded"]) == (12, 1, 0)
    assert call("index", "--strict").exit_code == 3


def test_one_index_takes_up_several_folders(indexed):
    archive(indexed / "card", 3, first_seed=70)
    assert call("index", "card").exit_code == 0
    assert [path.name for path in (indexed / "indexes").iterdir()] == ["archive"]
    status = json.loads(call("status", "--format", "json").stdout)
    assert status["photos"] == {"indexed": 15, "failed": 0, "gone": 0}
    assert set(status["roots"]) == {"archive", "card"}


def test_which_index(indexed, model):
    elsewhere = indexed / "elsewhere"
    assert call("index", "archive", "--index", elsewhere, "--model", model).exit_code == 0
    assert call("status").exit_code == 0
    assert call("index", "archive", "--index", "indexes/second", "--model", model).exit_code == 0
    ambiguous = call("status")
    assert ambiguous.exit_code == 1
    assert "indexes/archive, indexes/second" in ambiguous.stderr
    assert call("status", "--index", "second").exit_code == 0
    chosen = CliRunner().invoke(main, ["status", "--format", "json"], env={"RETRIEVAL_INDEX": str(elsewhere)})
    assert json.loads(chosen.stdout)["index"] == str(elsewhere)
    missing = call("status", "--index", "nowhere")
    assert (missing.exit_code, missing.stdout) == (1, "")
    assert "there is no index in nowhere" in missing.stderr


def test_without_any_index(place):
    for words in (["query", "x.jpg"], ["status"], ["verify"], ["index"]):
        done = call(*words)
        assert done.exit_code == 1
        assert "retrieval index FOLDER" in done.stderr


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


@pytest.mark.parametrize(
    "words",
    [
        ("query",),
        ("query", "x.jpg", "-k", "0"),
        ("query", "x.jpg", "-k", "many"),
        ("query", "x.jpg", "--min-score", "2"),
        ("query", "x.jpg", "--format", "xml"),
        ("index", "--workers", "0"),
        ("nonsense",),
        ("identify",),
    ],
)
def test_wrong_usage_is_2(place, words):
    done = call(*words)
    assert (done.exit_code, done.stdout) == (2, "")


def test_identify_needs_no_index(place, model):
    photo(place / "a.jpg", 1)
    done = call("identify", "a.jpg", "--model", model, "-k", 3, "--format", "json")
    answer = json.loads(done.stdout)
    assert set(answer) == {"query", "model", "predictions"}
    assert len(answer["predictions"]) == 3
    probabilities = [one["probability"] for one in answer["predictions"]]
    assert probabilities == sorted(probabilities, reverse=True)
    failed = call("identify", "b.jpg", "--model", model)
    assert (failed.exit_code, "b.jpg: " in failed.stderr) == (1, True)


def test_verify_and_repair(indexed):
    assert "sound" in call("verify", "--hashes").stdout
    with (indexed / "indexes" / "archive" / "vectors.f16").open("ab") as file:
        file.write(b"x" * 64)
    broken = call("verify")
    assert broken.exit_code == 1
    assert "--repair" in broken.stdout
    mended = call("verify", "--repair")
    assert (mended.exit_code, "repaired: " in mended.stdout) == (0, True)


def test_relocate(indexed):
    (indexed / "archive").rename(indexed / "moved")
    gone = call("index")
    assert (gone.exit_code, "retrieval relocate archive" in gone.stderr) == (1, True)
    assert call("relocate", "archive", "moved").exit_code == 0
    assert "12" in call("index").stdout
    assert "unchanged         12" in call("index").stdout
    unknown = call("relocate", "brids", "moved")
    assert (unknown.exit_code, "its roots are: archive" in unknown.stderr) == (1, True)


def test_each_bad_input_is_one_line(indexed, model, tmp_path):
    """Exit code 1, nothing on stdout, and a line that names the file and the next step."""
    index = indexed / "indexes" / "archive"
    other = tiny_checkpoint(tmp_path / "other.safetensors", seed=9)
    photo(tmp_path / "new.jpg", 77)
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(model.read_bytes()[:1000])
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").write_text("not to be mixed with an index")
    foreign, future, broken = (shutil.copytree(index, tmp_path / name) for name in ("foreign", "future", "broken"))
    (foreign / "index.json").write_text('{"name": "someone else\'s"}')
    document = json.loads((future / "index.json").read_text())
    (future / "index.json").write_text(json.dumps({**document, "format": 99}))
    (broken / "index.json").write_text("{")
    for words, hints in (
        (("index", "nowhere"), ("nowhere", "mount")),
        (("index", "archive/000.jpg"), ("000.jpg", "folder")),
        (("index", "empty"), ("empty", "no photos")),
        (("index", "archive", "--model", other), ("other", "--index")),
        (("index", "archive", "--index", "new", "--model", cut), ("cut.safetensors",)),
        (("index", "archive", "--index", "new", "--model", "no-such-model"), ("no-such-model", "known are")),
        (("index", "archive", "--index", "notes", "--model", model), ("notes", "not empty", "--index")),
        (("query", "archive/000.jpg", "--index", foreign), ("index.json", "--index")),
        (("query", "archive/000.jpg", "--index", future), ("99", "upgrade")),
        (("query", "archive/000.jpg", "--index", broken), ("index.json", "backup")),
        (("query", tmp_path / "new.jpg", "--device", "nonsense", "--index", index), ("nonsense", "cpu")),
        (("query", tmp_path / "new.jpg", "--device", "cuda:99", "--index", index), ("cuda:99",)),
    ):
        done = call(*words)
        assert (done.exit_code, done.stdout) == (1, ""), words
        assert done.stderr.count("\n") == 1, done.stderr
        assert "Traceback" not in done.stderr
        for hint in hints:
            assert hint in done.stderr, (words, done.stderr)
    assert not (indexed / "new").exists()


def test_a_locked_index(indexed):
    with writing(indexed / "indexes" / "archive"):
        done = call("index")
        assert (done.exit_code, "is being written by process" in done.stderr) == (1, True)
        assert call("query", "archive/000.jpg").exit_code == 0


def test_verbose_shows_the_traceback(place):
    assert "Traceback" not in call("status").stderr
    assert "Traceback" in call("status", "-v").stderr


NAMES = [
    b"with space.jpg",
    b"line\nend.jpg",
    "bird 🐦.jpg".encode(),
    b"not utf-8 \xff\xfe.jpg",
    b"tab\tand\\.jpg",
    b'"q",.jpg',
]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="such names cannot exist here")
def test_any_name_in_every_format(place, model):
    folder = os.fsencode(place / "archive")
    os.mkdir(folder)
    for number, name in enumerate(NAMES):
        photo(place / "x.jpg", number).rename(Path(os.fsdecode(folder)) / os.fsdecode(name))
    expected = {os.path.join(folder, name) for name in NAMES}
    index = [*PYTHON, "index", "archive", "--model", str(model)]
    subprocess.run(index, check=True, capture_output=True)

    def ask(*options: str) -> bytes:
        asked = [*PYTHON, "query", os.path.join(folder, NAMES[3]), "-k", "10", *options]
        return subprocess.run(asked, check=True, capture_output=True).stdout

    assert set(ask("-0").split(b"\0")[:-1]) == expected
    lines = ask("-f")  # a name may hold a line end: then only -0 tells where it ends
    assert all(path + b"\n" in lines for path in expected)
    assert len(lines) == sum(len(path) + 1 for path in expected)
    hits = json.loads(ask("--format", "json"))["hits"]
    assert {os.fsencode(hit["path"]) for hit in hits} == expected
    rows = csv.DictReader(io.StringIO(ask("--format", "csv").decode("utf-8", "surrogateescape"), newline=""))
    assert {os.fsencode(row["path"]) for row in rows if row["kind"] == "hit"} == expected
    lines = [line.split(b"\t") for line in ask("--format", "tsv").split(b"\n")]
    cells = {line[4] for line in lines if line[1:2] == [b"hit"]}
    escaped = {path.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\t", b"\\t") for path in expected}
    assert cells == escaped
    assert b"\\xff" in ask("--format", "table") or b"\\udcff" in ask("--format", "table")


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal to send")
def test_ctrl_c_stops_cleanly_and_keeps_what_is_done(place, model):
    archive(place / "archive", 3_000)
    words = [*PYTHON, "index", "archive", "--model", str(model), "--batch-size", "4"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    catalogue = place / "indexes" / "archive" / "vectors.f16"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (catalogue.exists() and catalogue.stat().st_size > 0):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "Run the same command again" in err
    assert "Traceback" not in err
    status = json.loads(call("status", "--format", "json").stdout)
    assert 0 < status["photos"]["indexed"] < 3_000
    assert call("verify").exit_code == 0
    assert call("index").exit_code == 0
    assert json.loads(call("status", "--format", "json").stdout)["photos"]["indexed"] == 3_000


def test_a_reader_that_leaves_is_no_error(indexed):
    words = f"{sys.executable} -m retrieval query archive/*.jpg -k 12 | head -1"
    done = subprocess.run(["bash", "-c", words], capture_output=True, text=True)
    assert done.stdout.startswith("query\tkind")
    assert "Traceback" not in done.stderr


def test_no_index_is_made_where_there_is_nothing_to_index(place):
    done = call("index", "--index", "typo")
    assert done.exit_code == 1
    assert "there is no index in typo" in done.stderr
    assert not (place / "typo").exists()
    assert not (place / "indexes" / "typo").exists()
