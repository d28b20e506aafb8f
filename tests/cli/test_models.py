"""`--model auto`, the compact model, and `retrieval models`, with a hub that cannot be reached."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from photos import archive
from tiny import tiny_checkpoint

from retrieval.models.known import FLAGSHIP

# The package's own compact weights are replaced by a tiny network, so that these tests measure the way, not the model.
SCRIPT = """
import sys
from pathlib import Path
from retrieval.models import zoo
zoo.COMPACT_FILE = Path(sys.argv.pop(1))
from retrieval.cli import main
main()
"""


@pytest.fixture
def call(tmp_path):
    """Run a command offline in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("RETRIEVAL_", "HF_"))}
    environment = {
        **clean,
        "HF_ENDPOINT": f"http://127.0.0.1:{port}",
        "HF_HOME": str(tmp_path / "hf"),
        "RETRIEVAL_CACHE_DIR": str(tmp_path / "cache"),
        "NO_PROXY": "127.0.0.1",
    }

    def run(compact: Path, *words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", SCRIPT, str(compact), *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=100)

    return run


@pytest.fixture
def compact(tmp_path):
    return tiny_checkpoint(tmp_path / "compact.safetensors", label_kind="general")


def test_without_the_hub_the_whole_main_job_runs_on_the_compact_model(call, compact, tmp_path):
    archive(tmp_path / "archive", 5)
    begun = time.monotonic()
    indexed = call(compact, "index", "archive")
    assert indexed.returncode == 0, indexed.stderr
    assert time.monotonic() - begun < 60
    (line,) = indexed.stderr.splitlines()
    assert "compact model" in line
    assert "using the compact model" in line

    asked = call(compact, "query", "archive/001.jpg", "-k", 2, "--format", "json")
    assert (asked.returncode, asked.stderr) == (0, "")
    answer = json.loads(asked.stdout)
    assert (answer["model"], answer["label_kind"]) == ("compact", "general")
    assert "no species identification" in call(compact, "query", "archive/001.jpg", "--format", "table").stdout
    lines = call(compact, "query", "archive/001.jpg", "--format", "tsv").stdout.splitlines()
    assert {line.split("\t")[9] for line in lines[1:]} == {"general"}

    status = call(compact, "status")
    assert "compact" in status.stdout
    assert "5 general labels" in status.stdout
    identified = call(compact, "identify", "archive/001.jpg", "--format", "json")
    assert json.loads(identified.stdout)["label_kind"] == "general"
    assert "compact model" in identified.stderr


def test_an_index_keeps_its_model_and_other_weights_are_told(call, compact, tmp_path):
    archive(tmp_path / "archive", 2)
    assert call(compact, "index", "archive", "--model", "compact").stderr == ""
    again = call(compact, "index", "--model", "auto")
    assert (again.returncode, again.stderr) == (0, "")
    tiny_checkpoint(compact, seed=4, label_kind="general")
    archive(tmp_path / "archive", 3)
    newer = call(compact, "index")
    assert newer.returncode == 1
    assert "compact model of another version" in newer.stderr


def test_the_flagship_by_name_does_not_fall_back(call, compact, tmp_path):
    archive(tmp_path / "archive", 1)
    for name in ("flagship", FLAGSHIP):
        done = call(compact, "index", "archive", "--model", name)
        assert done.returncode == 1
        assert "--model PATH" in done.stderr


def test_a_package_without_compact_weights_says_what_to_do(call, tmp_path):
    archive(tmp_path / "archive", 1)
    done = call(tmp_path / "nothing", "index", "archive")
    assert (done.returncode, "--model PATH" in done.stderr) == (1, True)
    assert "has no compact model" in call(tmp_path / "nothing", "index", "archive", "--model", "compact").stderr


def test_the_list_of_models(call, compact):
    rows = {row["name"]: row for row in json.loads(call(compact, "models", "--format", "json").stdout)}
    assert next(iter(rows)) == "flagship"
    assert rows["flagship"]["where"] == "not downloaded"
    assert rows["flagship"]["classes"] == 735
    assert rows["compact"]["where"] == "in this package"
    assert rows["compact"]["classes"] == 5
    assert rows["compact"]["label_kind"] == "general"
    assert rows["compact"]["input_size"] == 32
    assert "flagship" in call(compact, "models").stdout


def test_the_speed_of_a_long_enough_run_is_remembered(call, compact, tmp_path):
    archive(tmp_path / "archive", 120)
    assert call(compact, "index", "archive", "--model", "compact").returncode == 0
    rows = {row["name"]: row for row in json.loads(call(compact, "models", "--format", "json").stdout)}
    assert rows["compact"]["photos_per_s"] > 0
    assert rows["flagship"]["photos_per_s"] is None


def test_fetching_what_cannot_be_fetched(call, compact):
    done = call(compact, "models", "fetch", "flagship")
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot fetch" in done.stderr
    unknown = call(compact, "models", "fetch", "flagshop")
    assert "did you mean flagship?" in unknown.stderr
