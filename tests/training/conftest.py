"""What the tests of training share: pictures with the grain of photos."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from photos import scene
from PIL import Image
from views import CPU, QUIET, SIZE, chance

from retrieval.training.atlas import Atlas
from retrieval.training.pool import Origin, Pool
from retrieval.training.views import Views


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


@pytest.fixture(scope="session")
def atlas(noisy):
    return Atlas([np.array(noisy(seed, (90 + 10 * seed, 100))) for seed in range(6)], CPU)


@pytest.fixture
def images(atlas):
    return Views(atlas, QUIET, SIZE).draw(18, chance())


@pytest.fixture(scope="session")
def pool(tmp_path_factory):
    generator = np.random.default_rng(0)
    pool = Pool(tmp_path_factory.mktemp("pool"), Origin(("a", "b"), ("x",), 32, 0))
    for _ in range(2):
        tint = generator.integers(0, 256, (24, 3, 1, 1))
        grain = generator.integers(0, 40, (24, 3, 32, 32))
        known = tint[:, :, 0, 0] / 128 - 1  # what the teachers say follows from the colour
        pool.add({
            "pixels": (tint * 0.8 + grain).clip(0, 255),
            "features": known @ generator.normal(size=(3, 16)),
            "logits": 3 * known @ np.eye(3, 5),
            "hints": known @ np.eye(3, 6),
            "pictures": np.zeros(24),
            "mixed": np.zeros(24),
        })  # fmt: skip
    return pool
