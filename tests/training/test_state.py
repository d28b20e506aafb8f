import dataclasses
import json

import pytest
import torch
from tiny import tiny_network

from retrieval.errors import CheckpointError
from retrieval.training import state
from retrieval.training.state import Origin, Position, State
from retrieval.training.student import random_student, student_config

TEACHER = tiny_network(registers=0)
CONFIG = student_config(TEACHER.config, registers=4, image_size=32)


def made(steps=7, seed=0):
    weights = random_student(CONFIG, seed).state_dict()
    average = {name: value + 1 for name, value in weights.items()}
    memory = {"class_token": torch.full((1, 1, 32), 1e-12)}
    origin = Origin("abc", CONFIG, TEACHER.transform, TEACHER.labels, 12)
    return State(origin, Position(steps, 8 * steps, 1.5, [{"views": 8, "loss": 2.0}]), weights, average, memory)


def assert_same(one, other):
    assert (one.origin, one.position) == (other.origin, other.position)
    for group in ("weights", "average", "memory"):
        before, after = getattr(one, group), getattr(other, group)
        assert before.keys() == after.keys()
        for name, value in before.items():
            torch.testing.assert_close(after[name], value, rtol=1e-2 if group == "memory" else 1e-3, atol=1e-7)


def test_a_state_comes_back(tmp_path):
    before = made()
    state.save(tmp_path / "work", before)
    assert_same(before, state.load(tmp_path / "work"))
    assert state.load(tmp_path) is None


def test_parts_are_small_and_all_that_is_left_is_the_latest(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "PART_BYTES", 60_000)
    state.save(tmp_path, made(1))
    state.save(tmp_path, made(2))
    parts = sorted(tmp_path.glob("state-*"))
    assert len(parts) > 3
    assert all(part.stat().st_size < 64_000 for part in parts)
    assert {path.name for path in tmp_path.iterdir()} == {"state.json", *(part.name for part in parts)}
    assert_same(made(2), state.load(tmp_path))


def test_a_process_killed_while_writing_leaves_the_state_before(tmp_path, monkeypatch):
    state.save(tmp_path, made(1))
    monkeypatch.setattr(state.json, "dumps", lambda *_arguments, **_options: 1 / 0)  # after the parts, before the end
    with pytest.raises(ZeroDivisionError):
        state.save(tmp_path, made(2, seed=1))
    monkeypatch.undo()
    assert_same(made(1), state.load(tmp_path))
    state.save(tmp_path, made(3))
    assert len(list(tmp_path.glob("state-*"))) == 1


@pytest.mark.parametrize("what", ["part", "manifest", "format"])
def test_a_broken_state_is_refused(tmp_path, what):
    state.save(tmp_path, made())
    manifest = tmp_path / "state.json"
    if what == "part":
        next(tmp_path.glob("state-*")).unlink()
    elif what == "manifest":
        manifest.write_text(manifest.read_text()[:-20])
    else:
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 99}))
    with pytest.raises(CheckpointError):
        state.load(tmp_path)


def test_the_origin_survives_as_it_was(tmp_path):
    odd = dataclasses.replace(made(), origin=dataclasses.replace(made().origin, labels=('quote "', "ü", "a, b")))
    state.save(tmp_path, odd)
    assert state.load(tmp_path).origin == odd.origin
