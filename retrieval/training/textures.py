"""Pictures that nobody took: noise of several scales, gradients, stripes, blobs and shapes in random colours.

They show a network what photos of a few places lack, at no cost of collecting.
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - the name the whole field uses
from torch import Tensor

from retrieval.training.chance import Chance

_COLOURS = 4  # of a palette


def draw(chance: Chance, n: int, size: int) -> Tensor:
    """Textures (n, 3, size, size), 0 to 1: fields of numbers, shown in random colours, with shapes before them."""
    field = torch.lerp(_clouds(chance, n, size), _waves(chance, n, size), chance.uniform((n, 1, 1)).round())
    blend = torch.lerp(field, _clouds(chance, n, size), chance.uniform((n, 1, 1), (0, 0.6)))
    background = _coloured(blend, _palette(chance, n))
    shapes = _coloured(_waves(chance, n, size), _palette(chance, n))
    return torch.lerp(background, shapes, _shapes(chance, n, size).unsqueeze(1))


def _clouds(chance: Chance, n: int, size: int) -> Tensor:
    """Noise of several scales (n, size, size), 0 to 1: between clouds and sand."""
    total = torch.zeros((n, 1, size, size), device=chance.device)
    roughness = chance.uniform((n, 1, 1, 1), (0.35, 1.0))
    for octave in range(1, 7):
        side = min(2**octave + 1, size)
        coarse = chance.normal((n, 1, side, side))
        fine = F.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=True)
        total += fine * roughness ** (octave - 1)
    return _stretched(total.squeeze(1))


def _waves(chance: Chance, n: int, size: int) -> Tensor:
    """Stripes, rings and, where the wave is long, gradients (n, size, size), 0 to 1."""
    x, y = _plane(chance, n, size)
    angle = chance.uniform((n, 1, 1), (0, 2 * math.pi))
    along = x * angle.cos() + y * angle.sin()
    rings = (x**2 + y**2).sqrt()
    bend = chance.uniform((n, 1, 1), (0, 0.3)) * torch.sin(3 * (y * angle.cos() - x * angle.sin()))
    distance = torch.where(chance.uniform((n, 1, 1)) < 0.7, along, rings) + bend
    wave = torch.sin(distance * chance.log_uniform((n, 1, 1), (0.7, 60)) + angle)
    sharpness = chance.log_uniform((n, 1, 1), (0.5, 20))
    return torch.sigmoid(wave * sharpness)


def _shapes(chance: Chance, n: int, size: int, count: int = 5) -> Tensor:
    """How much a foreground covers (n, size, size), 0 to 1: ellipses and boxes with edges from crisp to soft."""
    cover = torch.zeros((n, size, size), device=chance.device)
    for _ in range(count):
        x, y = _plane(chance, n, size)
        angle, aspect = chance.uniform((n, 1, 1), (0, math.pi)), chance.log_uniform((n, 1, 1), (0.25, 4))
        u = (x * angle.cos() + y * angle.sin()) * aspect.sqrt()
        v = (y * angle.cos() - x * angle.sin()) / aspect.sqrt()
        box = chance.uniform((n, 1, 1)) < 0.4
        distance = torch.where(box, torch.maximum(u.abs(), v.abs()), (u**2 + v**2).sqrt())
        radius = chance.log_uniform((n, 1, 1), (0.03, 0.6)) * (chance.uniform((n, 1, 1)) < 0.6)
        cover = torch.maximum(cover, torch.sigmoid((radius - distance) * chance.log_uniform((n, 1, 1), (20, 300))))
    return cover * (chance.uniform((n, 1, 1)) < 0.7)  # the others are all background


def _plane(chance: Chance, n: int, size: int) -> tuple[Tensor, Tensor]:
    """Coordinates x and y (n, size, size) about a random place, in which the picture is 2 wide and high."""
    axis = torch.linspace(-1, 1, size, device=chance.device)
    centre = chance.uniform((n, 2, 1, 1), (-1, 1))
    return axis.view(1, 1, size) - centre[:, 0], axis.view(1, size, 1) - centre[:, 1]


def _stretched(field: Tensor) -> Tensor:
    """The same field from 0 to 1."""
    low, high = field.amin(dim=(1, 2), keepdim=True), field.amax(dim=(1, 2), keepdim=True)
    return (field - low) / (high - low).clamp(min=1e-6)


def _palette(chance: Chance, n: int) -> Tensor:
    """Colours (n, 3, colours): near each other in most palettes, as in nature, and anything in some."""
    base = chance.uniform((n, 3, 1))
    spread = chance.log_uniform((n, 1, 1), (0.1, 1.0))
    return (base + spread * (chance.uniform((n, 3, _COLOURS)) - 0.5)).clamp(0, 1)


def _coloured(field: Tensor, palette: Tensor) -> Tensor:
    """The field (n, height, width) as a picture (n, 3, height, width), its numbers along the palette's colours."""
    place = field.clamp(0, 1).unsqueeze(1) * (_COLOURS - 1)
    picture = torch.zeros((len(field), 3, *field.shape[1:]), device=field.device)
    for index in range(_COLOURS):
        nearness = (1 - (place - index).abs()).clamp(min=0)
        picture += nearness * palette[:, :, index, None, None]
    return picture
