import dataclasses

import numpy as np
import pytest
import torch
from tiny import tiny_network

from retrieval.errors import CheckpointError
from retrieval.training.plan import PlanSettings, Stage
from retrieval.training.settings import Settings
from retrieval.training.trainer import Trainer

TEACHER = tiny_network(registers=0, image_size=(64, 64))
# Forty steps from random weights are to show something: the second stage of a real run is gentler.
FLAT = PlanSettings(blocks_share=0.4, whole_rate=3e-3, warm_up=0)


@pytest.fixture(scope="module")
def pictures(noisy):
    return [np.array(noisy(seed, (100, 80))) for seed in range(8)]


def trainer(pictures, **changes):
    settings = {"image_size": 64, "batch": 8, "plan": FLAT, "resume_steps": 1} | changes
    return Trainer(TEACHER, "abc", pictures, Settings(**settings))


def totals(training, spent, steps):
    return [training.step(spent).losses.total.item() for _ in range(steps)]


@pytest.mark.parametrize(("spent", "stage"), [(0.0, Stage.BLOCKS), (0.5, Stage.WHOLE)])
def test_the_loss_falls_in_each_stage(pictures, spent, stage):
    training = trainer(pictures)
    assert training.step(spent).moment.stage is stage
    losses = totals(training, spent, 40)
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:3])


def test_blocks_first_is_a_start_for_the_whole(pictures):
    schooled, fresh = trainer(pictures), trainer(pictures)
    totals(schooled, 0.0, 40)
    fresh.position.steps = schooled.position.steps  # the same views
    assert schooled.step(0.5).losses.parts["features"] < 0.7 * fresh.step(0.5).losses.parts["features"]


def test_a_student_of_another_size_learns_too(pictures):
    losses = totals(trainer(pictures, image_size=32), 0.0, 30)
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:3])


def test_reduced_precision_learns_the_same(pictures):
    settings = Settings(image_size=64, plan=FLAT, resume_steps=1)
    exact, reduced = (Trainer(TEACHER, "abc", pictures, settings, reduced=reduced) for reduced in (False, True))
    assert totals(reduced, 0.0, 10)[-1] == pytest.approx(totals(exact, 0.0, 10)[-1], rel=0.05)


def test_the_same_seed_learns_the_same(pictures):
    assert totals(trainer(pictures), 0.0, 3) == totals(trainer(pictures), 0.0, 3)
    assert totals(trainer(pictures, seed=1), 0.0, 3) != totals(trainer(pictures), 0.0, 3)


def test_a_run_goes_on_where_it_was(pictures):
    whole, first, second = trainer(pictures), trainer(pictures), trainer(pictures)
    expected = totals(whole, 0.0, 12)
    totals(first, 0.0, 6)
    second.restore(first.state())
    assert (second.position.steps, second.position.views) == (6, 48)
    found = totals(second, 0.0, 6)
    assert found[0] == pytest.approx(expected[6])  # the same weights on the same views
    assert found[-1] < expected[5]
    for name, value in first.average.weights.items():
        assert not torch.equal(value, second.average.weights[name])  # states share no memory with what goes on


def test_a_state_of_another_run_is_refused(pictures):
    stranger = Trainer(TEACHER, "xyz", pictures, Settings(image_size=64))
    with pytest.raises(CheckpointError, match="another teacher"):
        trainer(pictures).restore(stranger.state())
    more_pictures = trainer([*pictures, *pictures])
    more_pictures.restore(trainer(pictures).state())


def test_the_rate_rises_again_after_a_restart(pictures):
    training = trainer(pictures, resume_steps=10)
    before = {name: value.clone() for name, value in training.student.state_dict().items()}
    training.step(0.2)
    moved = max((value - before[name]).abs().max() for name, value in training.student.state_dict().items())
    assert moved < 0.2 * FLAT.blocks_rate


def test_an_average_lags_behind(pictures):
    training = trainer(pictures, average_over=1.0)
    totals(training, 0.0, 10)
    name = "encoder.block.0.mlp.0.weight"
    now, average = training.student.state_dict()[name], training.average.weights[name]
    start = trainer(pictures).student.state_dict()[name]
    assert 0 < (average - start).norm() < (now - start).norm()


def test_a_teacher_with_registers_teaches_too(pictures):
    teacher = tiny_network(registers=4, image_size=(64, 64))
    training = Trainer(teacher, "abc", pictures, Settings(image_size=64, plan=FLAT, resume_steps=1))
    losses = totals(training, 0.0, 20)
    assert np.mean(losses[-3:]) < 0.8 * losses[0]
    assert dataclasses.replace(teacher.config) == training.student.config
