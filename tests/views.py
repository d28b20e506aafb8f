"""What the tests of views share: quiet settings, random numbers, and what every image must be."""

import torch
from torch import Tensor

from retrieval.training.chance import Chance
from retrieval.training.views import ViewSettings

CPU = torch.device("cpu")
SIZE = 32
QUIET = ViewSettings(
    turned=0, upside_down=0, textures=0, mosaics=0, patched=0, double_exposures=0, jittered=0, grey=0, tones=0,
    solarised=0, blurred=0, noisy=0, coarse=0, recompressed=0,
)  # fmt: skip


def chance(seed: int = 0, step: int = 0) -> Chance:
    return Chance(CPU, seed, step)


def assert_image(images: Tensor, n: int) -> None:
    assert images.shape == (n, 3, SIZE, SIZE)
    assert images.dtype == torch.float32
    assert images.isfinite().all()
    assert images.min() >= 0 and images.max() <= 1
