import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from calling import call
from photos import photo
from tiny import tiny_checkpoint

from retrieval.cli import COMMANDS
from retrieval.lock import writing

PYTHON = [sys.executable, "-m", "retrieval"]


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


def test_without_any_index(place):
    for words in (["query", "x.jpg"], ["status"], ["verify"], ["index"]):
        done = call(*words)
        assert done.exit_code == 1
        assert "retrieval index FOLDER" in done.stderr


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


def test_a_reader_that_leaves_is_no_error(indexed):
    words = f"{sys.executable} -m retrieval query archive/*.jpg -k 12 | head -1"
    done = subprocess.run(["bash", "-c", words], capture_output=True, text=True)
    assert done.stdout.startswith("query\tkind")
    assert "Traceback" not in done.stderr
