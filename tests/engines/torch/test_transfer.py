"""Images to a device and features back, on the CPU and, where there is one, on a GPU."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from retrieval.engines.torch.transfer import Transfer

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")],
    ),
]


def images(n: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n, 32, 48, 3), np.uint8)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("n", [0, 1, 5])
def test_images_arrive_as_they_are_together_or_one_by_one(device: str, n: int) -> None:
    batch = images(n)[:, ::-1]  # a view that is not contiguous
    for given in (batch, list(batch)):
        sent = Transfer(device).upload(given, (32, 48))
        assert sent.dtype == torch.uint8
        np.testing.assert_array_equal(sent.cpu().numpy(), batch)


@pytest.mark.parametrize("device", DEVICES)
def test_the_callers_images_may_change_once_they_are_on_their_way(device: str) -> None:
    batch = images(3)
    sent = Transfer(device).upload(batch, (32, 48))
    batch[:] = 0
    np.testing.assert_array_equal(sent.cpu().numpy(), images(3))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_features_come_back_in_float32(device: str, dtype: torch.dtype) -> None:
    features = torch.randn(3, 8).to(dtype)
    back = Transfer(device).download(features.to(device))()
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, features.float().numpy())


@pytest.mark.parametrize("device", DEVICES)
def test_many_batches_under_way_do_not_mix(device: str) -> None:
    """Memory that is given back too early would be overwritten by a later batch."""
    transfer = Transfer(device)
    weights = torch.randn(32 * 48 * 3, 64, generator=torch.Generator().manual_seed(1)).to(device)
    waiting = []
    for seed in range(20):
        x = transfer.upload(images(16, seed), (32, 48)).flatten(1).float() / 255
        for _ in range(20):  # keeps a device busy while the next batches are on their way
            answer = x @ weights
        waiting.append(transfer.download(answer))
    for seed, wait in enumerate(waiting):
        expected = torch.from_numpy(images(16, seed)).flatten(1).float() / 255 @ weights.cpu()
        np.testing.assert_allclose(wait(), expected.numpy(), rtol=1e-3, atol=1e-2)
