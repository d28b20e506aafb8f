"""The vision transformer: sizes and arithmetic; weights, labels and input transform are left to `checkpoint`.

Dosovitskiy et al., "An Image is Worth 16x16 Words", arXiv 2010.11929, with the registers of Darcet et al.,
"Vision Transformers Need Registers", arXiv 2309.16588. Modules are named as the keys of the birder family's
checkpoints, so that a state dict loads without renaming.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the name the whole field uses
from torch import Tensor, nn

LAYER_NORM_EPSILON = 1e-6


@dataclass(frozen=True, slots=True)
class VitConfig:
    """Every size that tells one network of the family from another."""

    image_size: tuple[int, int]  # (height, width) in pixels, multiples of patch_size
    patch_size: int  # pixels
    width: int  # of a token, and of the features
    blocks: int
    heads: int
    mlp_width: int
    registers: int
    class_token: bool
    classes: int  # outputs of the species head; 0: the network has none

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.image_size[0] // self.patch_size, self.image_size[1] // self.patch_size

    @property
    def special_tokens(self) -> int:
        """Tokens in front of the patches: the registers, then the class token."""
        return self.registers + self.class_token

    @property
    def tokens(self) -> int:
        """Length of the sequence that the blocks see."""
        return self.special_tokens + self.grid[0] * self.grid[1]


class Attention(nn.Module):
    """Multi-head self-attention: all tokens, or some of them, ask all tokens."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.proj = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor, asking: slice | None = None) -> Tensor:
        """(n, tokens, width) to the same, or to what the `asking` tokens alone gather."""
        if asking is None:
            q, k, v = self._parts(x, 0, 3)
        else:
            (q,), (k, v) = self._parts(x[:, asking], 0, 1), self._parts(x, 1, 3)
        x = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.proj(x.transpose(1, 2).flatten(2))
        return out

    def _parts(self, x: Tensor, begin: int, end: int) -> tuple[Tensor, ...]:
        """Of queries, keys and values those from `begin` to before `end`, each (n, heads, tokens, width / heads)."""
        n, tokens, width = x.shape
        rows = slice(begin * width, end * width)
        parts = F.linear(x, self.qkv.weight[rows], self.qkv.bias[rows])
        return parts.view(n, tokens, end - begin, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).unbind(0)


class Block(nn.Module):
    """One pre-norm transformer block."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width, eps=LAYER_NORM_EPSILON)
        self.attn = Attention(config)
        self.norm2 = nn.LayerNorm(config.width, eps=LAYER_NORM_EPSILON)
        self.mlp = nn.Sequential(
            nn.Linear(config.width, config.mlp_width),
            nn.GELU(),
            nn.Identity(),  # dropout in training; it keeps the next layer's key, `mlp.3`
            nn.Linear(config.mlp_width, config.width),
        )

    def forward(self, x: Tensor, asked: slice | None = None) -> Tensor:
        """(n, tokens, width) to the same, or to the `asked` tokens alone."""
        attended = self.attn(self.norm1(x), asked)
        x = (x if asked is None else x[:, asked]) + attended
        x = x + self.mlp(self.norm2(x))
        return x  # noqa: RET504 - the two residual steps read alike


class Encoder(nn.Module):
    """The stack of blocks."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.block = nn.Sequential(*(Block(config) for _ in range(config.blocks)))

    def forward(self, x: Tensor, asked: slice | None = None) -> Tensor:
        """(n, tokens, width) to the same, or to the `asked` tokens alone: the last block then computes no other."""
        *blocks, last = self.block
        for block in blocks:
            x = block(x)
        out: Tensor = last(x, asked)
        return out


class VisionTransformer(nn.Module):
    """An image in, its features and the logits of its species out."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.config = config
        width, patch = config.width, config.patch_size
        self.conv_proj = nn.Conv2d(3, width, kernel_size=patch, stride=patch)
        self.reg_tokens = _table(config.registers, width) if config.registers else None
        self.class_token = _table(1, width) if config.class_token else None
        self.pos_embedding = _table(config.tokens, width)
        self.encoder = Encoder(config)
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPSILON)
        self.classifier = nn.Linear(width, config.classes) if config.classes else None

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (n, width), not normalised, and logits (n, classes) of images (n, 3, height, width).

        Training needs both, and their gradients; engines ask for `features`, and `models.head` computes logits.
        """
        features = self.features(images)
        logits = features[:, :0] if self.classifier is None else self.classifier(features)
        return features, logits

    def features(self, images: Tensor) -> Tensor:
        """Features (n, width), not normalised, of images (n, 3, height, width)."""
        return self._pool(self.stem(images))

    def stem(self, images: Tensor) -> Tensor:
        """The tokens (n, tokens, width) that the first block sees: registers, class token, patches row by row."""
        x = self.conv_proj(images).flatten(2).transpose(1, 2)
        special = [t.expand(len(x), -1, -1) for t in (self.reg_tokens, self.class_token) if t is not None]
        return torch.cat([*special, x], dim=1) + self.pos_embedding

    def _pool(self, x: Tensor) -> Tensor:
        """Tokens to features: the class token, or the mean of the patches where there is none."""
        if self.config.class_token:  # of the last block, a twelfth of the flagship, the other tokens are not read
            class_token = slice(self.config.registers, self.config.registers + 1)
            x = self.norm(self.encoder(x, class_token))
            return x[:, 0]
        x = self.norm(self.encoder(x))
        return x[:, self.config.special_tokens :].mean(dim=1)


def _table(rows: int, width: int) -> nn.Parameter:
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(1, rows, width), std=0.02))


def resize_position_table(table: Tensor, special: int, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """The position table (1, special + rows * columns, width) of a grid of patches, for another grid.

    Bicubic with antialiasing, as in birder's `adjust_size`, by which the published networks were fine-tuned
    at other input sizes. The `special` leading tokens have no place in the grid and stay as they are.
    """
    if old == new:
        return table
    patches = table[:, special:].reshape(1, *old, -1).permute(0, 3, 1, 2)
    patches = F.interpolate(patches, size=new, mode="bicubic", antialias=True)
    return torch.cat([table[:, :special], patches.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)
