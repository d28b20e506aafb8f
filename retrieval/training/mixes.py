"""Several views in one: mosaics, patches, insets, double exposures, as tensor arithmetic on whole batches.

All images are (n, 3, size, size), float32, and stay between 0 and 1. Each result is made of images of its own batch.
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - the name the whole field uses
from torch import Tensor

from retrieval.training.chance import Chance


def mosaics(images: Tensor, chosen: Tensor, chance: Chance) -> Tensor:
    """As many mosaics (k, 3, size, size) as were chosen, of 2 by 2 or 3 by 3 images each, shifted at random."""
    n, _, size, _ = images.shape
    cells = 2 + int(chance.choose((0, 2)))
    side = math.ceil(size / cells)
    small = F.interpolate(images, size=(side, side), mode="bilinear", antialias=True)
    others = [small[(chosen + shift) % n] for shift in _shifts(n, cells**2, chance)]
    rows = [torch.cat(others[row * cells : (row + 1) * cells], dim=3) for row in range(cells)]
    board = torch.cat(rows, dim=2)[:, :, :size, :size]
    return board.roll((int(chance.choose((0, size))), int(chance.choose((0, size)))), (2, 3))


def patched(images: Tensor, chosen: Tensor, chance: Chance) -> Tensor:
    """The chosen images, a rectangle of each covered by another image (arXiv 1905.04899)."""
    k, size = len(chosen), images.shape[2]
    others = images[(chosen + _shifts(len(images), 1, chance)[0]) % len(images)]
    axis = torch.linspace(-1, 1, size, device=images.device)
    centre, half = chance.uniform((k, 2, 1), (-1, 1)), chance.uniform((k, 2, 1), (0.15, 0.75))
    inside = (axis - centre).abs() < half  # (k, 2, size): along the height and the width
    mask = inside[:, 0].unsqueeze(2) & inside[:, 1].unsqueeze(1)
    return torch.where(mask.unsqueeze(1), others, images[chosen])


def double_exposures(images: Tensor, chosen: Tensor, chance: Chance) -> Tensor:
    """The chosen images, another one shining through each (arXiv 1710.09412)."""
    others = images[(chosen + _shifts(len(images), 1, chance)[0]) % len(images)]
    return torch.lerp(images[chosen], others, chance.uniform((len(chosen), 1, 1, 1), (0.1, 0.5)))


def insets(images: Tensor, chosen: Tensor, chance: Chance) -> Tensor:
    """The chosen images, each scaled to between 35 and 85 % and laid with soft edges anywhere on another image."""
    k, size = len(chosen), images.shape[2]
    others = images[(chosen + _shifts(len(images), 1, chance)[0]) % len(images)]
    side = chance.uniform((k, 1), (0.35, 0.85))
    centre = chance.uniform((k, 2), (-1, 1)) * (1 - side)  # of the inset, wholly inside
    matrices = torch.cat([torch.diag_embed((1 / side).expand(-1, 2)), (-centre / side).unsqueeze(2)], dim=2)
    places = F.affine_grid(matrices, [k, 3, size, size], align_corners=False)  # beyond -1 to 1 outside the inset
    factor = max(1.0, 0.6 / float(side.mean()))  # soft enough not to alias at the usual size
    small = F.interpolate(images[chosen], size=round(size / factor), mode="bilinear", antialias=True)
    inset = F.grid_sample(small, places, padding_mode="border", align_corners=False)
    depth = (1 - places.abs().amax(dim=3)) / chance.uniform((k, 1, 1), (0.02, 0.5))  # 0 at the edge
    return torch.lerp(others, inset, depth.clamp(0, 1).unsqueeze(1))


def _shifts(n: int, count: int, chance: Chance) -> list[int]:
    """Distances to other places of the batch, which differ as long as there are enough."""
    first = int(chance.choose((1, max(2, n))))
    return [first + number for number in range(count)]
