"""Colour and light of views: what cameras, raw converters and filters do, as tensor arithmetic on whole batches.

All images are (n, 3, height, width), float32, and stay between 0 and 1.
"""

import math

import torch
from torch import Tensor

from retrieval.training.chance import Chance, Range

_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow converts to "L"


def grey(images: Tensor) -> Tensor:
    """Without colour, still with three channels."""
    return luminance(images).expand_as(images)


def luminance(images: Tensor) -> Tensor:
    """Brightness (n, 1, height, width)."""
    return (images * images.new_tensor(_GREY).view(3, 1, 1)).sum(dim=1, keepdim=True)


def jitter(images: Tensor, chance: Chance, strength: float) -> Tensor:
    """Other exposure, contrast, saturation, hue and white balance; 0 is no change, 1 is strong.

    All of it is one affine map of the colour space for each image: half a dozen passes over the pixels in one.
    """
    n = len(images)
    change = _saturation(chance.uniform((n,), (1 - strength, 1 + strength)))
    change = _hue(chance.normal((n,)) * (0.3 * strength)) @ change  # in radians
    gains = chance.uniform((n, 3), (-0.3 * strength, 0.3 * strength)).exp()
    exposure = chance.uniform((n, 1), (-0.6 * strength, 0.6 * strength)).exp()
    contrast = chance.uniform((n, 1, 1), (-0.6 * strength, 0.6 * strength)).exp()
    change = (gains * exposure).unsqueeze(2) * change
    middle = images.mean(dim=(2, 3)).unsqueeze(2)  # (n, 3, 1): contrast turns about the image's own mean
    change, shift = contrast * change, (1 - contrast) * (change @ middle)
    return torch.baddbmm(shift, change, images.flatten(2)).view_as(images).clamp_(0, 1)


def gamma(images: Tensor, chance: Chance, range_: Range) -> Tensor:
    """Another tone curve: each image to a power of its own."""
    power = chance.log_uniform((len(images), 1, 1, 1), range_)
    return images.clamp(min=1e-4) ** power  # the slope of a root is infinite at 0


def invert_some_tones(images: Tensor, chance: Chance, range_: Range) -> Tensor:
    """Solarise: what is brighter than a threshold becomes its negative."""
    threshold = chance.uniform((len(images), 1, 1, 1), range_)
    return torch.where(images > threshold, 1 - images, images)


def _saturation(factor: Tensor) -> Tensor:
    """Matrices (n, 3, 3) between grey (0), unchanged (1) and gaudy."""
    to_grey = factor.new_tensor((_GREY, _GREY, _GREY))
    identity = torch.eye(3, device=factor.device)
    return torch.lerp(to_grey, identity, factor.view(-1, 1, 1))


def _hue(angle: Tensor) -> Tensor:
    """Matrices (n, 3, 3) that turn colours about the grey axis by angles (n,), in radians (Rodrigues' formula)."""
    third, cross = torch.full((3, 3), 1 / 3), torch.tensor(((0.0, -1, 1), (1, 0, -1), (-1, 1, 0))) / math.sqrt(3)
    cosine, sine = angle.cos().view(-1, 1, 1), angle.sin().view(-1, 1, 1)
    identity = torch.eye(3, device=angle.device)
    return cosine * identity + sine * cross.to(angle.device) + (1 - cosine) * third.to(angle.device)
