import io

import numpy as np
import pytest
import torch
from PIL import Image

from retrieval.training.jpeg import recompress


def as_tensor(image):
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).unsqueeze(0) / 255


def by_pillow(image, quality):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    return as_tensor(Image.open(buffer))


@pytest.mark.parametrize("quality", [10, 30, 60, 90])
def test_the_loss_is_that_of_a_jpeg_file(quality, noisy):
    image = noisy(1, (160, 112))
    original, expected = as_tensor(image), by_pillow(image, quality)
    found = recompress(original, torch.tensor([quality]))
    assert (found - expected).abs().mean() < 0.25 * (original - expected).abs().mean()


def test_each_image_has_its_own_quality(noisy):
    images = as_tensor(noisy(2, (64, 64))).repeat(2, 1, 1, 1)
    coarse, fine = (recompress(images, torch.tensor([5, 95])) - images).abs().mean(dim=(1, 2, 3))
    assert coarse > 2 * fine


def test_sizes_that_are_no_multiple_of_a_block_are_kept(noisy):
    image = as_tensor(noisy(3, (70, 37)))
    found = recompress(image, torch.tensor([80]))
    assert found.shape == image.shape
    assert (found - image).abs().mean() < 0.06
    assert found.min() >= 0 and found.max() <= 1
