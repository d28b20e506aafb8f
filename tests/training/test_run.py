import itertools
import json
import threading
import time

import numpy as np
import pytest
from tiny import tiny_network

from retrieval.training import state
from retrieval.training.evaluation import Evaluation
from retrieval.training.plan import Budget
from retrieval.training.run import LOG, RunSettings, train
from retrieval.training.settings import Settings
from retrieval.training.trainer import Trainer

TEACHER = tiny_network(registers=0)
SETTINGS = Settings(image_size=32, batch=4, resume_steps=1)


@pytest.fixture(scope="module")
def pictures(noisy):
    return [np.array(noisy(seed, (80, 80))) for seed in range(4)]


@pytest.fixture
def begin(pictures, tmp_path):
    """A function that begins, or goes on with, a run of 80 views in one folder."""

    def begin(stop_after_steps=None, **options):
        settings = {"work": tmp_path / "work", "budget": Budget(views=80), "log_every_s": 0} | options
        evaluation = settings.pop("evaluation", None)
        steps = itertools.count()
        entries = []
        finished = train(
            Trainer(TEACHER, "abc", pictures, SETTINGS),
            RunSettings(**settings),
            evaluation=evaluation,
            report=entries.append,
            stopped=lambda: stop_after_steps is not None and next(steps) >= stop_after_steps,
        )
        return finished, entries

    return begin


def test_a_run_ends_when_its_budget_is_spent(begin, tmp_path):
    finished, entries = begin()
    assert finished
    steps = [entry for entry in entries if "loss" in entry]
    assert [entry["views"] for entry in steps] == list(range(4, 84, 4))
    assert {entry["stage"] for entry in steps} == {"block by block", "end to end"}
    assert [entry["event"] for entry in entries if "event" in entry] == ["begun", "finished"]
    assert steps[-1]["rate"] < 0.1 * max(entry["rate"] for entry in steps)
    logged = [json.loads(line) for line in (tmp_path / "work" / LOG).read_text().splitlines()]
    assert logged == entries
    assert all(entry["views_per_s"] > 0 and len(entry["blocks"]) == 3 for entry in steps)


def test_a_stopped_run_goes_on_where_it_was(begin, tmp_path):
    assert not begin(stop_after_steps=7)[0]
    assert state.load(tmp_path / "work").position.steps == 7
    finished, entries = begin()
    assert finished
    assert entries[0] == {"event": "resumed", "spent": 0.35, "steps": 7, "views": 28, "seconds": entries[0]["seconds"]}
    assert entries[1]["steps"] == 8
    _, uninterrupted = begin(work=tmp_path / "other")
    rates = {entry["views"]: entry["rate"] for entry in uninterrupted if "rate" in entry}
    assert all(entry["rate"] == rates[entry["views"]] for entry in entries if "rate" in entry)


def test_an_error_loses_nothing_learnt(begin, tmp_path, monkeypatch):
    steps, learn = itertools.count(), Trainer.step

    def failing(self, spent):
        if next(steps) == 5:
            raise MemoryError
        return learn(self, spent)

    monkeypatch.setattr(Trainer, "step", failing)
    with pytest.raises(MemoryError):
        begin()
    assert state.load(tmp_path / "work").position.steps == 5


def test_a_finished_run_does_nothing_more(begin, tmp_path):
    begin()
    before = state.load(tmp_path / "work")
    finished, entries = begin()
    assert finished
    assert [entry.get("event") for entry in entries] == ["resumed", "finished"]
    assert state.load(tmp_path / "work").position == before.position


def test_a_call_can_be_shorter_than_its_run(begin):
    finished, entries = begin(stop_after_s=0.0)
    assert not finished
    assert [entry["event"] for entry in entries] == ["begun", "stopped"]


def test_states_are_written_along_the_way(begin, tmp_path, monkeypatch):
    written = []
    save = state.save
    monkeypatch.setattr(
        state, "save", lambda folder, found: (written.append(found.position.steps), save(folder, found))
    )
    begin(save_every_s=0)
    assert written == [*range(1, 21), 20]


def test_a_pause_file_stops_the_work_until_it_is_gone(begin, tmp_path, monkeypatch):
    monkeypatch.setattr("retrieval.training.run._PAUSE_S", 0.01)
    pause = tmp_path / "pause"
    pause.touch()
    timer = threading.Timer(0.3, pause.unlink)
    timer.start()
    started = time.monotonic()
    assert begin(pause_file=pause)[0]
    assert time.monotonic() - started >= 0.3
    pause.touch()
    assert not begin(work=tmp_path / "other", pause_file=pause, stop_after_s=0.1)[0]  # a paused run can be stopped


def test_accuracy_is_measured_along_the_way_and_kept(begin, pictures, tmp_path, noisy):
    for species, seed in itertools.product("ab", range(3)):
        folder = tmp_path / "birds" / species
        folder.mkdir(parents=True, exist_ok=True)
        noisy(seed, (64, 64)).save(folder / f"{seed}.png")
    transform = Trainer(TEACHER, "abc", pictures, SETTINGS).origin.transform
    evaluation = Evaluation(tmp_path / "birds", transform, "cpu")
    _, entries = begin(evaluation=evaluation, evaluate_every_s=0)
    measured = [entry["accuracy"] for entry in entries if "accuracy" in entry]
    assert len(measured) == 21
    assert all(0 <= accuracy <= 1 for accuracy in measured)
    curve = state.load(tmp_path / "work").position.curve
    assert [point["accuracy"] for point in curve if "accuracy" in point] == measured


def test_the_curve_stays_short(begin, tmp_path, monkeypatch):
    monkeypatch.setattr("retrieval.training.run._CURVE_POINTS", 8)
    begin()
    curve = state.load(tmp_path / "work").position.curve
    assert len(curve) <= 8
    views = [point["views"] for point in curve]
    assert views == sorted(views)
    assert views[0] == 4 and views[-1] >= 70


def test_the_error_of_each_block_falls(begin):
    _, entries = begin(budget=Budget(views=400))
    blocks = np.array([entry["blocks"] for entry in entries if entry.get("stage") == "block by block"])
    assert (blocks[-3:].mean(axis=0) < 0.9 * blocks[:3].mean(axis=0)).all()
