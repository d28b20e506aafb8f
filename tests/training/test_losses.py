import dataclasses

import pytest
import torch
from tiny import tiny_network

from retrieval.training.losses import LossWeights, block_by_block, end_to_end, relative_error
from retrieval.training.student import random_student, student_config
from retrieval.training.trace import resampled, trace

TEACHER = tiny_network(registers=0, image_size=(64, 64))
NETWORK = TEACHER.network()
WEIGHTS = LossWeights()
NONE = torch.zeros(0, dtype=torch.long)


@pytest.fixture(scope="module")
def images():
    return torch.randn((4, 3, 64, 64), generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def seen(images):
    with torch.no_grad():
        return trace(NETWORK, images)


@pytest.fixture
def twin():
    """A student that computes what the teacher does: no registers, the same weights."""
    return TEACHER.network()


@pytest.fixture
def stranger():
    return random_student(student_config(TEACHER.config, registers=4, image_size=64), seed=0)


def test_resampling_keeps_the_class_token_and_even_patches(seen):
    even = dataclasses.replace(seen, tokens=torch.cat([seen.tokens[:, :1], torch.full((4, 16, 32), 2.0)], dim=1))
    smaller = resampled(even, (4, 4), (2, 2))
    assert resampled(even, (4, 4), (4, 4)) is even
    assert [step.shape for step in smaller.steps] == [(4, 1 + 4, 32)] * 3
    torch.testing.assert_close(smaller.features, seen.features)
    torch.testing.assert_close(smaller.tokens[:, 1:], torch.full((4, 4, 32), 2.0))


def test_relative_error_is_zero_for_the_same_and_one_for_nothing(seen):
    tokens = seen.steps[1]
    assert [error.item() for error in relative_error(tokens, tokens)] == [0, 0]
    for error in relative_error(torch.zeros_like(tokens), tokens):
        assert error.item() == pytest.approx(1)


def test_a_student_that_is_the_teacher_has_nothing_to_learn(twin, seen, images):
    kept = torch.tensor([3, 11])
    first = block_by_block(twin, seen, images, WEIGHTS)
    some = block_by_block(twin, trace(NETWORK, images, kept), images, WEIGHTS, kept)
    whole = end_to_end(twin, seen, images, images[1:2], torch.tensor([1]), WEIGHTS, 1.0)
    for losses in (first, some, whole):
        assert losses.total.item() == pytest.approx(0, abs=1e-4)
        assert losses.blocks.abs().max() < 1e-5
        assert all(value.item() == pytest.approx(0, abs=1e-4) for value in losses.parts.values())


def test_a_stranger_has_all_to_learn(stranger, seen, images):
    first = block_by_block(stranger, seen, images, WEIGHTS)
    whole = end_to_end(stranger, seen, images, images[1:2], torch.tensor([1]), WEIGHTS, 1.0)
    for losses in (first, whole):
        assert losses.blocks.shape == (1 + TEACHER.config.blocks,)
        assert losses.blocks.min() > 0.3
        assert all(value > 0.1 for value in losses.parts.values())


def test_every_weight_of_a_student_is_taught(stranger, seen, images):
    for losses in (
        block_by_block(stranger, seen, images, WEIGHTS),
        end_to_end(stranger, seen, images, images[:1], torch.tensor([2]), WEIGHTS, 1.0),
    ):
        stranger.zero_grad()
        losses.total.backward()
        untaught = [name for name, p in stranger.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        assert untaught == []


def test_a_block_is_judged_on_what_the_teacher_gives_it(twin, seen, images):
    with torch.no_grad():
        twin.encoder.block[0].mlp[3].bias += 1
    errors = block_by_block(twin, seen, images, WEIGHTS).blocks
    assert errors[1] > 0.01
    assert errors[2] < 1e-6


def test_edits_are_compared_with_the_unedited_view(twin, seen, images):
    edited = images[:2] + 0.5
    own = end_to_end(twin, seen, images, edited, torch.tensor([0, 1]), WEIGHTS, 1.0).parts["edits"]
    other = end_to_end(twin, seen, images, edited, torch.tensor([2, 3]), WEIGHTS, 1.0).parts["edits"]
    assert 0.001 < own < other
    assert end_to_end(twin, seen, images, images[:0], NONE, WEIGHTS, 1.0).parts["edits"] == 0


def test_the_blocks_fade(stranger, seen, images):
    def total(fading, blocks):
        weights = dataclasses.replace(WEIGHTS, blocks=blocks)
        return end_to_end(stranger, seen, images, images[:0], NONE, weights, fading).total.item()

    assert total(0.0, 1.0) == pytest.approx(total(1.0, 0.0))
    assert total(1.0, 1.0) > total(0.5, 1.0) > total(0.0, 1.0)
