import contextlib
import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from photos import archive, photo

from retrieval.cli import main

PYTHON = [sys.executable, "-m", "retrieval"]


@pytest.fixture
def indexed(tmp_path, monkeypatch, model):
    """A working folder with ./archive indexed."""
    for name in os.environ:
        if name.startswith("RETRIEVAL_") and name != "RETRIEVAL_CACHE_DIR":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    archive(tmp_path / "archive", 12)
    assert call("index", "archive", "--model", model).exit_code == 0
    return tmp_path


def call(*words: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], input=stdin)


def asked(*words: object, stdin: bytes | None = None) -> list[str]:
    done = call("query", *words, "-k", 1, "--format", "jsonl", stdin=stdin)
    assert done.exit_code == 0, done.stderr
    return [json.loads(line)["query"] for line in done.stdout.splitlines()]


NAMES = ["archive/003.jpg", "archive/001.jpg", "archive/002.jpg"]


def test_a_list_is_asked_in_order_relative_to_the_current_folder(indexed):
    (indexed / "lists").mkdir()
    Path("lists/a.txt").write_text("\n".join([NAMES[0], "", "   ", *NAMES[1:]]))  # blank lines, none at the end
    assert asked("--from-file", "lists/a.txt") == NAMES
    Path("crlf.txt").write_bytes("".join(f"{name}\r\n" for name in NAMES).encode())
    assert asked("--from-file", "crlf.txt") == NAMES
    assert asked("--from-file", "-", stdin="\n".join(NAMES).encode()) == NAMES


def test_names_ended_by_nul(indexed):
    photo(indexed / "line\nend .jpg", 5)
    names = [*NAMES, "line\nend .jpg"]
    data = "\0".join(names).encode()
    assert asked("--from-file0", "-", stdin=data + b"\0\0") == names
    Path("list").write_bytes(data)
    assert asked("--from-file0", "list") == names
    assert asked("archive/005.jpg", "--from-file", "-", "--from-file0", "list", stdin=NAMES[0].encode()) == [
        "archive/005.jpg",
        NAMES[0],
        *names,
    ]


def test_a_dash_in_a_list_is_a_file(indexed):
    photo(indexed / "x.jpg", 3).rename(indexed / "-")
    assert asked("--from-file", "-", stdin=b"-\n") == ["-"]


def test_failures_keep_their_place(indexed):
    listing = b"archive/001.jpg\nnothing.jpg\narchive\narchive/002.jpg\n"
    done = call("query", "--from-file", "-", "-k", 1, "--format", "json", stdin=listing)
    kinds = [answer.get("failure", {}).get("kind") for answer in json.loads(done.stdout)]
    assert (done.exit_code, kinds) == (0, [None, "unreadable", "not-a-photo", None])
    assert "nothing.jpg: " in done.stderr
    assert call("query", "--from-file", "-", "--strict", stdin=listing).exit_code == 3
    assert call("query", "--from-file", "-", stdin=b"nothing.jpg").exit_code == 1


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_list_gives_an_array_whatever_its_length(indexed, count):
    data = "\n".join(NAMES[:count]).encode()
    done = call("query", "--from-file", "-", "--format", "json", stdin=data)
    assert [answer["query"] for answer in json.loads(done.stdout)] == NAMES[:count]
    rows = list(csv.reader(io.StringIO(call("query", "--from-file", "-", "--format", "csv", stdin=data).stdout)))
    assert rows[0][0] == "query"
    assert {row[0] for row in rows[1:]} == set(NAMES[:count])


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (("--from-file", "nowhere.txt"), 1, "nowhere.txt"),
        (("--from-file", "archive"), 1, "archive"),
        (("-", "--from-file", "-"), 2, "stdin"),
        (("--from-file0", "-", "--from-file", "-"), 2, "stdin"),
        ((), 2, "--from-file"),
    ],
)
def test_lists_that_cannot_be_read(indexed, words, code, hint):
    done = call("query", *words)
    assert (done.exit_code, done.stdout, hint in done.stderr) == (code, "", True)


def started(words: list[str]) -> subprocess.Popen[bytes]:
    # Unbuffered: `communicate` would lose what `readline` has read ahead.
    pipe = subprocess.PIPE
    return subprocess.Popen(words, bufsize=0, stdin=pipe, stdout=pipe, stderr=pipe)


def test_answers_come_while_the_list_goes_on(indexed):
    """A pipe that stays open does not hold back the answers to what it has given."""
    words = [*PYTHON, "query", "--from-file", "-", "-k", "1", "-f"]
    process = started(words)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"archive/004.jpg\n" * 16)  # the first batch
    process.stdin.flush()
    assert [process.stdout.readline().strip().decode() for _ in range(16)] == [str(indexed / "archive/004.jpg")] * 16
    rest, err = process.communicate(b"archive/005.jpg\n", timeout=60)
    assert (process.returncode, rest.decode().strip(), err) == (0, str(indexed / "archive/005.jpg"), b"")


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal to send")
def test_ctrl_c_keeps_what_was_printed_and_whole(indexed):
    words = [*PYTHON, "query", "--from-file", "-", "-k", "1", "--format", "json"]
    process = started(words)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"archive/004.jpg\n" * 16)
    process.stdin.flush()
    begin = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    out, err = process.communicate(b"archive/005.jpg\n" * 2_000, timeout=60)
    assert process.returncode == 130
    answers = json.loads(begin + out)
    assert 1 <= len(answers) < 2_016
    assert f"Stopped after {len(answers)} images." in err.decode()
    assert "Traceback" not in err.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminal")
def test_progress_is_drawn_on_a_terminal_and_apart_from_the_data(indexed):
    master, terminal = os.openpty()
    Path("list").write_text("\n".join(NAMES * 50))
    words = [*PYTHON, "query", "--from-file", "list", "-f", "-k", "1"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with Path("found").open("wb") as found:
        process = subprocess.Popen(words, stdout=found, stderr=terminal, env=environment)
    os.close(terminal)
    drawn = b""
    with contextlib.suppress(OSError):  # what Linux says once the other side has closed
        while chunk := os.read(master, 2**16):
            drawn += chunk
    os.close(master)
    assert process.wait(timeout=60) == 0
    assert Path("found").read_text().splitlines() == [str(indexed / name) for name in NAMES * 50]
    assert b"Answering" in drawn
    assert b"150/150" in drawn


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminal")
@pytest.mark.parametrize("form", ["table", "tsv", "csv", "json", "jsonl", "paths"])
def test_a_file_name_never_steers_a_terminal(indexed, form):
    """Only pipes and files get names byte for byte."""
    import tty  # only Unix has it

    name = "archive/red \x1b[31m\r.jpg"
    Path(name).write_bytes((indexed / "archive/007.jpg").read_bytes())
    assert call("index").exit_code == 0
    words = ["list", *(["-f"] if form == "paths" else ["--format", form])]
    master, terminal = os.openpty()
    tty.setraw(terminal)  # as it was written, line ends too
    process = subprocess.Popen([*PYTHON, *words], stdout=terminal, stderr=subprocess.PIPE)
    os.close(terminal)
    drawn = b""
    with contextlib.suppress(OSError):
        while chunk := os.read(master, 2**16):
            drawn += chunk
    os.close(master)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"red" in drawn
    assert b"\x1b" not in drawn
    assert b"\r" not in drawn.replace(b"\r\n", b"")
    piped = call("list", "-f").stdout
    assert str(indexed / name) in piped


def test_nothing_is_drawn_elsewhere(indexed):
    done = call("query", "--from-file", "-", "-f", "-k", 1, stdin="\n".join(NAMES).encode())
    assert (done.stdout.splitlines(), done.stderr) == ([str(indexed / name) for name in NAMES], "")


def test_hidden_duplicates_in_every_format(indexed):
    for number in range(3):
        (indexed / "archive" / f"copy {number}.jpg").write_bytes((indexed / "archive/007.jpg").read_bytes())
    assert call("index").exit_code == 0
    words = ("query", "archive/007.jpg", "-k", 3, "--hide-duplicates", "--format")
    hits = json.loads(call(*words, "json").stdout)["hits"]
    assert [hit["hidden"] for hit in hits] == [3, 0, 0]
    rows = list(csv.DictReader(io.StringIO(call(*words, "csv").stdout)))
    assert [row["hidden"] for row in rows if row["kind"] == "hit"] == ["3", "0", "0"]
    table = call(*words, "table").stdout
    assert ("  hidden  " in table, table.count("+3")) == (True, 1)
    plain = call("query", "archive/007.jpg", "-k", 3, "--format", "table").stdout
    assert "  hidden  " not in plain
    rows = list(csv.DictReader(io.StringIO(call("query", "archive/007.jpg", "--format", "csv").stdout)))
    assert {row["hidden"] for row in rows} == {""}
