"""What people do to a photo before they keep a second copy of it: edits under which its embedding has to stay close.

All images are (n, 3, size, size), float32, and stay between 0 and 1.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 - the name the whole field uses
from torch import Tensor

from retrieval.training import colour, degrade, jpeg
from retrieval.training.chance import Chance

Edit = Callable[[Tensor, Chance], Tensor]


def recompressed(images: Tensor, chance: Chance) -> Tensor:
    """Saved once more as JPEG, badly."""
    return jpeg.recompress(images, chance.uniform((len(images),), (8, 60)))


def smaller(images: Tensor, chance: Chance) -> Tensor:
    """Scaled to between half and a quarter of the size."""
    return degrade.lower_resolution(images, chance.choose((2, 4)))


def cropped(images: Tensor, chance: Chance) -> Tensor:
    """Without 10 to 25 % of its area, cut off anywhere."""
    n = len(images)
    kept = 1 - chance.uniform((n, 1), (0.10, 0.25))
    aspect = chance.uniform((n, 1), (-0.5, 0.5))  # how much of the cut is off the sides rather than off top and bottom
    sides = torch.cat([kept ** (0.5 + aspect), kept ** (0.5 - aspect)], dim=1)  # (n, 2), of the width and the height
    shift = chance.uniform((n, 2), (-1, 1)) * (1 - sides)
    matrices = torch.cat([torch.diag_embed(sides), shift.unsqueeze(2)], dim=2)
    places = F.affine_grid(matrices, list(images.shape), align_corners=False)
    return F.grid_sample(images, places, padding_mode="border", align_corners=False)


def lighter_or_darker(images: Tensor, chance: Chance) -> Tensor:
    """With another brightness."""
    return (images * chance.log_uniform((len(images), 1, 1, 1), (0.6, 1.6))).clamp(0, 1)


def grey(images: Tensor, chance: Chance) -> Tensor:
    """Without colour."""
    return colour.grey(images)


def watermarked(images: Tensor, chance: Chance) -> Tensor:
    """With something like a line of letters across it, half transparent."""
    n, _, height, width = images.shape
    letters = (chance.uniform((n, 1, 5, 40)) < 0.55).float()
    letters[:, :, :, ::4] = 0  # the gaps between letters
    thickness = int(height * chance.choose((0.06, 0.16)))
    line = F.interpolate(letters, size=(thickness, width), mode="nearest")
    top = int((height - thickness) * chance.choose((0, 1)))
    cover = F.pad(line, (0, 0, top, height - thickness - top)) * chance.uniform((n, 1, 1, 1), (0.3, 0.8))
    ink = chance.uniform((n, 1, 1, 1)).round().expand(-1, 3, -1, -1)  # black or white
    return torch.lerp(images, ink.expand_as(images), cover.expand_as(images))


def framed(images: Tensor, chance: Chance) -> Tensor:
    """In a border of 2 to 8 % of the size, black, white or of any one colour."""
    n, _, height, width = images.shape
    paint = chance.uniform((n, 3, 1, 1))
    paint = torch.where(chance.uniform((n, 1, 1, 1)) < 0.7, chance.uniform((n, 1, 1, 1)).round(), paint)
    across, down = (torch.linspace(-1, 1, side, device=images.device).abs() for side in (width, height))
    edge = torch.maximum(across.view(1, 1, 1, width), down.view(1, 1, height, 1))
    return torch.where(edge > 1 - 2 * chance.uniform((n, 1, 1, 1), (0.02, 0.08)), paint, images)


def turned(images: Tensor, chance: Chance) -> Tensor:
    """Rotated by 90, 180 or 270 degrees."""
    return torch.rot90(images, int(chance.choose((1, 4))), (2, 3))


def mirrored(images: Tensor, chance: Chance) -> Tensor:
    """Left and right exchanged."""
    return images.flip(3)


EDITS: tuple[Edit, ...] = (
    recompressed,
    smaller,
    cropped,
    lighter_or_darker,
    grey,
    watermarked,
    framed,
    turned,
    mirrored,
)


def edit(images: Tensor, chance: Chance) -> Tensor:
    """Each image after one edit, all kinds of edits about equally often; the images given stay as they are."""
    edited = torch.empty_like(images)
    parts = chance.order(len(images)).tensor_split(len(EDITS))
    first = int(chance.choose((0, len(EDITS))))  # small batches reach different edits at different times
    for number, chosen in enumerate(parts):
        if len(chosen):
            edited[chosen] = EDITS[(first + number) % len(EDITS)](images[chosen], chance)
    return edited
