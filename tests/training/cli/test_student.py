import json
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner
from tiny import tiny_checkpoint

from retrieval.models import checkpoint
from retrieval.training.cli import main


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def place(tmp_path, noisy):
    """A folder with pictures and a teacher."""
    (tmp_path / "photos").mkdir()
    for seed in range(4):
        noisy(seed, (100, 80)).save(tmp_path / "photos" / f"{seed}.jpg")
    tiny_checkpoint(tmp_path / "teacher.safetensors", registers=0)
    return tmp_path


def training(place, *more):
    return [
        "train", place / "pictures.bundle", "--teacher", place / "teacher.safetensors", "--work", place / "work",
        "--image-size", 32, "--batch", 4, "--device", "cpu", "--threads", 1, *more,
    ]  # fmt: skip


def test_from_pictures_to_a_model(place):
    packed = call("pack", place / "photos", "-o", place / "pictures.bundle")
    assert packed.exit_code == 0, packed.output
    assert packed.stderr.startswith("4 pictures, ")
    trained = call(*training(place, "--views", 40, "--log-every", 0))
    assert trained.exit_code == 0, trained.output
    assert trained.stdout == ""
    assert "end to end" in trained.stderr and trained.stderr.endswith("finished\n")
    exported = call("export", place / "work", "-o", place / "compact.safetensors")
    assert exported.exit_code == 0, exported.output
    assert checkpoint.load(place / "compact.safetensors").config.registers == 4


def test_mistakes_are_told_in_one_line(place):
    call("pack", place / "photos", "-o", place / "pictures.bundle")
    assert "budget" in call(*training(place)).stderr
    empty = call("export", place / "photos", "-o", place / "a.safetensors")
    assert (empty.exit_code, empty.stderr.count("\n")) == (1, 1)
    assert "train first" in empty.stderr


def test_a_signal_ends_a_run_in_good_order_and_the_same_command_goes_on(place):
    call("pack", place / "photos", "-o", place / "pictures.bundle")
    command = [
        sys.executable,
        "-m",
        "retrieval.training",
        *map(str, training(place, "--minutes", 60, "--log-every", 0)),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if "loss" in line:
                break
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
    assert process.returncode == 0
    assert "stopped" in rest
    kept = json.loads((place / "work" / "state.json").read_text())["position"]
    assert kept["steps"] >= 1
    started = time.monotonic()
    resumed = call(*training(place, "--minutes", 60, "--stop-after", 0.005, "--log-every", 0))
    assert time.monotonic() - started < 30
    assert f"{kept['views']:,} views  event resumed" in resumed.stderr
