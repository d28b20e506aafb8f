import json
import signal
import subprocess
import sys
import time

import pytest
from calling import call
from photos import archive, photo

PYTHON = [sys.executable, "-m", "retrieval"]


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


def test_no_index_is_made_where_there_is_nothing_to_index(place):
    done = call("index", "--index", "typo")
    assert done.exit_code == 1
    assert "there is no index in typo" in done.stderr
    assert not (place / "typo").exists()
    assert not (place / "indexes" / "typo").exists()
