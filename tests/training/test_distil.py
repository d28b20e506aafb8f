import numpy as np
import pytest
import torch
from distilling import SETTINGS, distiller, small_checkpoint

from retrieval.training.distil import Distiller, ridge


def test_the_loss_falls(pool):
    learning = distiller(pool)
    losses = [learning.step(1.0).loss.item() for _ in range(30)]
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    assert learning.position.views == 30 * 8


def test_fitted_maps_begin_with_a_lower_loss(pool):
    plain, fitted = distiller(pool), distiller(pool)
    fitted.fit_maps(48)
    assert fitted.step(1.0).parts["species"] < plain.step(1.0).parts["species"]


def test_a_checkpoint_given_to_begin_with_is_not_changed(pool):
    start = small_checkpoint(1)
    before = {name: value.clone() for name, value in start.state.items()}
    Distiller(start, small_checkpoint(2), pool, SETTINGS, image_size=32).step(1.0)
    assert all(torch.equal(start.state[name], value) for name, value in before.items())


@pytest.mark.parametrize(("size", "kept"), [(16, 1.0), (32, 0.5)])
def test_small_images_and_some_patches_can_be_learnt_from(pool, size, kept):
    learning = distiller(pool)
    learning.step(1.0)
    learning.resize(size)
    assert learning.step(1.0, kept).loss.isfinite()
    assert learning.average.weights["network.pos_embedding"].shape == (1, 2 + (size // 8) ** 2, 16)


def test_ridge_finds_a_linear_map():
    generator = torch.Generator().manual_seed(0)
    features, weight = torch.randn((200, 4), generator=generator), torch.randn((3, 4), generator=generator)
    found, bias = ridge(features, features @ weight.T + 2, strength=1e-6)
    assert torch.allclose(found, weight, atol=1e-3) and torch.allclose(bias, torch.full((3,), 2.0), atol=1e-3)
