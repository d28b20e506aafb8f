import dataclasses

import pytest
import torch
from tiny import tiny_network

from retrieval.errors import CheckpointError
from retrieval.training.student import random_student, student_config

TEACHER = tiny_network(registers=0, image_size=(64, 64))
CONFIG = student_config(TEACHER.config, registers=4, image_size=64)


def test_a_student_has_the_teachers_sizes_and_registers_of_its_own():
    expected = dataclasses.replace(TEACHER.config, registers=4)
    assert expected == CONFIG
    assert student_config(TEACHER.config, registers=2, image_size=32).grid == (2, 2)


def test_a_student_begins_with_nothing_of_the_teacher():
    student = random_student(CONFIG, seed=0)
    for name, weights in student.state_dict().items():
        theirs = TEACHER.state.get(name)
        if theirs is None or theirs.shape != weights.shape or "norm" in name or name.endswith("bias"):
            continue  # norms begin at one and biases at zero, whoever the teacher is
        cosine = torch.nn.functional.cosine_similarity(weights.flatten(), theirs.flatten(), dim=0)
        assert abs(cosine) < 5 / weights.numel() ** 0.5, name


def test_the_start_depends_on_the_seed_alone():
    one, same, other = (random_student(CONFIG, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["conv_proj.weight"], other["conv_proj.weight"])


def test_a_student_begins_calm():
    student = random_student(CONFIG, seed=0).eval()
    x = torch.randn((2, CONFIG.tokens, CONFIG.width), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for block in student.encoder.block:
            assert (block(x) - x).norm() < 0.5 * x.norm()


@pytest.mark.parametrize(
    "changes", [{"class_token": False}, {"classes": 0}], ids=["without a class token", "without classes"]
)
def test_teachers_that_cannot_teach_are_refused(changes):
    with pytest.raises(CheckpointError, match="nothing to learn"):
        student_config(dataclasses.replace(TEACHER.config, **changes), registers=4, image_size=64)


def test_sizes_that_do_not_divide_are_refused():
    with pytest.raises(CheckpointError, match="patches of 16"):
        student_config(TEACHER.config, registers=4, image_size=40)
