"""What JPEG does to a picture, as tensor arithmetic on whole batches: quantised 8x8 cosine transforms.

Only the loss is modelled, not the file: ITU-T T.81 with the example tables of its annex K, scaled by quality as
libjpeg does, colour at half resolution. Rounding is what loses; coding the numbers loses nothing more.
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - the name the whole field uses
from torch import Tensor

_BRIGHTNESS = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_COLOUR = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *(((99,) * 8,) * 4),
)
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))  # ITU-T T.871
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))
_BLOCK = 16  # pixels: colour at half resolution, in blocks of 8


def recompress(images: Tensor, quality: Tensor) -> Tensor:
    """Images (n, 3, height, width), 0 to 1, as they come back from JPEG files of a quality (n,) of 1 to 100."""
    height, width = images.shape[2:]
    padded = F.pad(images.float(), (0, -width % _BLOCK, 0, -height % _BLOCK), mode="replicate") * 255
    ycc = _mixed(padded, _TO_YCC) - padded.new_tensor((128, 0, 0)).view(3, 1, 1)
    brightness = _quantised(ycc[:, :1], _table(_BRIGHTNESS, quality))
    colour = _quantised(F.avg_pool2d(ycc[:, 1:], 2), _table(_COLOUR, quality))
    colour = F.interpolate(colour, scale_factor=2, mode="bilinear", align_corners=False)
    rgb = _mixed(torch.cat([brightness + 128, colour], dim=1), _TO_RGB)
    return (rgb / 255).clamp(0, 1)[:, :, :height, :width].to(images.dtype)


def _table(base: tuple[tuple[int, ...], ...], quality: Tensor) -> Tensor:
    """The quantisation tables (n, 1, 1, 1, 8, 8) of libjpeg's quality scale."""
    quality = quality.float().clamp(1, 100)
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality).view(-1, 1, 1, 1, 1, 1)
    return ((quality.new_tensor(base) * scale + 50) / 100).floor().clamp(1, 255)


def _quantised(planes: Tensor, table: Tensor) -> Tensor:
    n, channels, height, width = planes.shape
    basis = _cosines(planes)
    blocks = planes.reshape(n, channels, height // 8, 8, width // 8, 8).transpose(3, 4)  # (..., rows, columns, 8, 8)
    coefficients = ((basis @ blocks @ basis.T) / table).round() * table
    restored = basis.T @ coefficients @ basis
    return restored.transpose(3, 4).reshape(n, channels, height, width)


def _cosines(like: Tensor) -> Tensor:
    """The orthonormal cosine transform of 8 samples (8, 8): frequencies by samples."""
    samples = torch.arange(8, device=like.device, dtype=like.dtype)
    basis = torch.cos(math.pi / 8 * (samples + 0.5) * samples.unsqueeze(1)) / 2
    return torch.cat([basis[:1] / math.sqrt(2), basis[1:]])


def _mixed(images: Tensor, matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    return torch.einsum("dc,nchw->ndhw", images.new_tensor(matrix), images)
