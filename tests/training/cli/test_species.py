import json

import pytest
from click.testing import CliRunner
from species_teachers import LABELS, write_teacher
from tiny import tiny_checkpoint

from retrieval.models import checkpoint
from retrieval.training.cli import main

pytest.importorskip("retrieval.engines.openvino.engine", exc_type=ImportError)


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_from_birds_to_a_model(tmp_path, noisy):
    for seed in range(3):
        (tmp_path / "birds").mkdir(exist_ok=True)
        noisy(seed, (100, 80)).save(tmp_path / "birds" / f"{seed}.jpg")
    teacher = tiny_checkpoint(tmp_path / "teacher.safetensors", registers=0, label_kind="general")
    start = tiny_checkpoint(tmp_path / "start.safetensors", seed=1, registers=0, label_kind="general")
    birds = write_teacher(tmp_path / "birds.xml")
    (tmp_path / "labels.txt").write_text(LABELS)
    labels = tmp_path / "labels.txt"
    pool = ("--pool", tmp_path / "pool", "--teacher", teacher)

    filled = call("fill", tmp_path / "birds", *pool, "--species", birds, "--shards", 2, "--shard", 16, "--threads", 1)
    assert filled.exit_code == 0, filled.output
    assert filled.stderr.splitlines()[-1] == "2 shards, 32 views"

    budget = ("--views", 32, "--cooldown-views", 16, "--batch", 8, "--size", 32, 1.0, "--cooldown-size", 32, 1.0)
    work = tmp_path / "work"
    taught = call("distil", *pool, "--start", start, "--work", work, "--labels", labels, *budget)
    assert taught.exit_code == 0, taught.output
    assert taught.stderr.endswith("finished\n")
    assert json.loads(taught.stderr.splitlines()[-2])["views"] == 32

    written = call("export-distilled", work, "-o", tmp_path / "out.safetensors", "--labels", labels)
    assert written.exit_code == 0, written.output
    assert checkpoint.load(tmp_path / "out.safetensors").labels == ("A", "B", "C", "D", "background")


def test_another_pool_than_that_of_the_run_is_told_in_one_line(tmp_path):
    teacher = tiny_checkpoint(tmp_path / "teacher.safetensors", registers=0)
    (tmp_path / "labels.txt").write_text(LABELS)
    done = call(
        "distil", "--pool", tmp_path / "none", "--teacher", teacher, "--start", teacher,
        "--work", tmp_path / "work", "--labels", tmp_path / "labels.txt", "--views", 8,
    )  # fmt: skip
    assert (done.exit_code, "no pool" in done.stderr) == (1, True)
