"""All pictures on the device as bytes, and any affine window of any of them, many at a time; drawing them is `views`'.

Pictures keep their sizes: their pixels lie one after another, as do halved copies of them (a mip pyramid), so that
a window that is smaller than what it shows is read from a copy of fitting resolution and does not alias.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name the whole field uses
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

LEVELS = 4  # full size, half, quarter, eighth: enough to show 4,096 pixels in 256
MIN_SIDE = 8  # pixels; no copy becomes smaller


class Atlas:
    """Pictures to look at through windows."""

    def __init__(self, pictures: Sequence[NDArray[np.uint8]], device: torch.device) -> None:
        """Take pictures of (height, width, 3), RGB, of any sizes."""
        copies = [list(_pyramid(picture)) for picture in pictures]
        sizes = torch.tensor([[copy.shape[:2] for copy in levels] for levels in copies])  # (pictures, levels, 2)
        counts = sizes.prod(dim=2).flatten()
        self._offsets = (counts.cumsum(0) - counts).view(sizes.shape[:2]).to(device)
        self._heights, self._widths = sizes.to(device).unbind(2)
        # Four bytes a pixel, read as one integer: one memory access where three bytes would be three.
        flat = np.concatenate([_padded(copy) for levels in copies for copy in levels])
        self._pixels = torch.from_numpy(flat).to(device)
        self.aspects = (self._widths[:, 0] / self._heights[:, 0]).float()  # (pictures,): width / height

    def __len__(self) -> int:
        """Return how many pictures there are."""
        return len(self.aspects)

    def windows(self, which: Tensor, matrices: Tensor, size: int) -> Tensor:
        """Windows (n, 3, size, size), 0 to 1, on pictures `which` (n,); outside, a picture is mirrored.

        `matrices` (n, 2, 3) lead from (x, y, 1) in a window, -1 to 1 on either axis, to a place in the picture, 0
        to 1 on either axis. Reading between pixels is bilinear.
        """
        level = self._level(which, matrices, size)
        width, height = self._widths[which, level], self._heights[which, level]
        places = F.affine_grid(matrices, [len(which), 3, size, size], align_corners=False)  # (n, size, size, 2)
        x = _mirrored(places[..., 0]) * width.view(-1, 1, 1) - 0.5
        y = _mirrored(places[..., 1]) * height.view(-1, 1, 1) - 0.5
        return self._bilinear(self._offsets[which, level], x, y, width, height)

    def _level(self, which: Tensor, matrices: Tensor, size: int) -> Tensor:
        """The copy of which one pixel is about as large as one pixel of the window."""
        determinant = matrices[:, 0, 0] * matrices[:, 1, 1] - matrices[:, 0, 1] * matrices[:, 1, 0]
        area = determinant.abs() * self._widths[which, 0] * self._heights[which, 0]
        scale = area.sqrt() * (2 / size)  # the picture's pixels to one of the window, along a side
        return scale.clamp(min=1e-6).log2().round().clamp(0, LEVELS - 1).long()

    def _bilinear(self, offset: Tensor, x: Tensor, y: Tensor, width: Tensor, height: Tensor) -> Tensor:
        columns, rows = width.view(-1, 1, 1), height.view(-1, 1, 1)
        x = x.clamp(min=0).minimum(columns - 1)
        y = y.clamp(min=0).minimum(rows - 1)
        left, top = x.long(), y.long()
        right, bottom = (left + 1).minimum(columns - 1), (top + 1).minimum(rows - 1)
        across, down = (x - left).unsqueeze(3), (y - top).unsqueeze(3)
        start = offset.view(-1, 1, 1)
        upper = torch.lerp(self._read(start + top * columns + left), self._read(start + top * columns + right), across)
        lower = torch.lerp(
            self._read(start + bottom * columns + left), self._read(start + bottom * columns + right), across
        )
        return torch.lerp(upper, lower, down).permute(0, 3, 1, 2).contiguous() / 255

    def _read(self, index: Tensor) -> Tensor:
        """The pixels (..., 3) at an index, float32, 0 to 255."""
        return self._pixels[index].unsqueeze(-1).view(torch.uint8)[..., :3].float()


def _pyramid(picture: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """The picture and its halved copies, as many for each picture; small ones stop shrinking."""
    image = Image.fromarray(picture)
    for level in range(LEVELS):
        width, height = (max(MIN_SIDE, side >> level) for side in (picture.shape[1], picture.shape[0]))
        yield np.asarray(image.resize((width, height), Image.Resampling.BOX))


def _padded(picture: NDArray[np.uint8]) -> NDArray[np.int32]:
    with_fourth = np.concatenate([picture, np.zeros_like(picture[..., :1])], axis=2)
    return np.ascontiguousarray(with_fourth).view(np.int32).reshape(-1)


def _mirrored(place: Tensor) -> Tensor:
    """Fold the whole axis into 0 to 1, back and forth."""
    return 1 - ((place % 2) - 1).abs()
