"""What the tests of training share: pictures with the grain of photos."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from photos import scene
from PIL import Image


def _noisy(seed: int, size: tuple[int, int] = (200, 150)) -> Image.Image:
    pixels = np.asarray(scene(seed, size)).astype(int)
    grain = np.random.default_rng(seed).integers(-20, 20, pixels.shape)
    return Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="session")
def noisy() -> Callable[..., Image.Image]:
    """A function that draws a scene with the grain of a photo, from a seed and a size (width, height)."""
    return _noisy


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """Networks this small gain nothing from more threads, and lose much where cores are shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
