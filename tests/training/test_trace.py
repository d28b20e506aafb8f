import pytest
import torch
from tiny import tiny_network

from retrieval.training.trace import resampled, trace

TEACHER = tiny_network(registers=0, image_size=(64, 64))
NETWORK = TEACHER.network()


@pytest.fixture(scope="module")
def images():
    return torch.randn((4, 3, 64, 64), generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def seen(images):
    with torch.no_grad():
        return trace(NETWORK, images)


def test_a_trace_ends_in_what_the_network_answers(images, seen):
    features, logits = NETWORK(images)
    torch.testing.assert_close(seen.features, features)
    torch.testing.assert_close(seen.logits, logits)
    assert len(seen.steps) == 1 + TEACHER.config.blocks
    assert seen.tokens.shape == (4, 1 + 16, 32)


def test_a_trace_leaves_registers_out(images):
    network = tiny_network(registers=4, image_size=(64, 64)).network()
    found = trace(network, images)
    assert all(step.shape == (4, 17, 32) for step in found.steps)
    torch.testing.assert_close(found.features, network(images)[0])


def test_some_patches_are_seen_as_if_they_were_all(images):
    kept = torch.tensor([5, 0, 9])
    found, everything = trace(NETWORK, images, kept), trace(NETWORK, images)
    torch.testing.assert_close(found.steps[0], everything.steps[0][:, [0, 6, 1, 10]])
    assert found.tokens.shape == (4, 1 + 3, 32)
    assert not torch.allclose(found.features, everything.features)


def test_a_trace_of_other_patches_keeps_the_class_token_and_the_mean(seen):
    coarse = resampled(seen, (4, 4), (2, 2))
    assert resampled(seen, (4, 4), (4, 4)) is seen
    assert all(step.shape == (4, 1 + 4, 32) for step in (*coarse.steps, coarse.tokens))
    torch.testing.assert_close(coarse.tokens[:, 0], seen.tokens[:, 0])
    torch.testing.assert_close(coarse.tokens[:, 1:].mean(dim=1), seen.tokens[:, 1:].mean(dim=1), atol=0.3, rtol=0)
    torch.testing.assert_close(coarse.logits, seen.logits)
