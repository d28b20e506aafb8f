"""What spoils pictures on their way: blur, noise, lost resolution, as tensor arithmetic on whole batches.

All images are (n, 3, height, width), float32, and stay between 0 and 1.
"""

import torch
import torch.nn.functional as F  # noqa: N812 - the name the whole field uses
from torch import Tensor

from retrieval.training.chance import Chance, Range

_TAPS = 13  # of the blur's kernel: three deviations of 2 pixels on either side


def blur(images: Tensor, chance: Chance, range_: Range) -> Tensor:
    """Gaussian blur, each image by a deviation of its own, in pixels of at most 2."""
    n, channels, height, width = images.shape
    deviation = chance.log_uniform((n, 1), range_)
    distance = torch.arange(_TAPS, device=images.device) - _TAPS // 2
    kernel = torch.exp(-0.5 * (distance / deviation) ** 2)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)  # (n * channels, taps)
    planes = F.pad(images.reshape(1, n * channels, height, width), (_TAPS // 2,) * 4, mode="reflect")
    planes = F.conv2d(planes, kernel.view(-1, 1, 1, _TAPS), groups=n * channels)
    planes = F.conv2d(planes, kernel.view(-1, 1, _TAPS, 1), groups=n * channels)
    return planes.view_as(images)


def noise(images: Tensor, chance: Chance, range_: Range) -> Tensor:
    """Sensor noise: independent in each pixel and channel, each image by a deviation of its own."""
    deviation = chance.log_uniform((len(images), 1, 1, 1), range_)
    return (images + deviation * chance.normal(tuple(images.shape))).clamp_(0, 1)


def lower_resolution(images: Tensor, factor: float) -> Tensor:
    """Scaled down by a factor of at least 1 and up again, as a thumbnail that was enlarged."""
    size = (int(images.shape[2] / factor), int(images.shape[3] / factor))
    small = F.interpolate(images, size=size, mode="bilinear", antialias=True)
    return F.interpolate(small, size=images.shape[2:], mode="bicubic").clamp_(0, 1)
