"""What a network computes on its way from an image to its features: what a student of it is to learn."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F  # noqa: N812 - the name the whole field uses
from torch import Tensor

from retrieval.models.vit import VisionTransformer


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """The tokens of a batch of images, step by step: the class token, then the patches; registers are left out."""

    steps: tuple[Tensor, ...]  # each (n, 1 + patches, width): what the stem gave, then what each block gave
    tokens: Tensor  # (n, 1 + patches, width): the last step after the final norm
    logits: Tensor  # (n, classes)

    @property
    def features(self) -> Tensor:
        """The class token (n, width), not normalised: what search compares."""
        return self.tokens[:, 0]


def trace(network: VisionTransformer, images: Tensor, kept: Tensor | None = None) -> Trace:
    """Run a network with a class token on images (n, 3, height, width), and keep what it computed.

    With `kept`, the network sees these patches only: numbers from 0 on, row by row.
    """
    assert network.classifier is not None
    registers = network.config.registers
    x = stem(network, images, kept)
    steps = [x[:, registers:]]
    for block in network.encoder.block:
        x = block(x)
        steps.append(x[:, registers:])
    tokens = network.norm(steps[-1])
    return Trace(tuple(steps), tokens, network.classifier(tokens[:, 0]))


def stem(network: VisionTransformer, images: Tensor, kept: Tensor | None = None) -> Tensor:
    """The tokens (n, special + patches, width) that a network's first block is given, of all patches or of some."""
    tokens = network.stem(images)
    if kept is None:
        return tokens
    special = network.config.special_tokens
    return torch.cat([tokens[:, :special], tokens[:, special + kept]], dim=1)


def resampled(seen: Trace, old: tuple[int, int], new: tuple[int, int]) -> Trace:
    """A trace as if the image had been cut into a grid (rows, columns) of other, larger or smaller patches."""
    if old == new:
        return seen

    def fit(tokens: Tensor) -> Tensor:
        patches = tokens[:, 1:].float().transpose(1, 2).reshape(len(tokens), -1, *old)
        patches = F.interpolate(patches, size=new, mode="bilinear", antialias=True)
        return torch.cat([tokens[:, :1].float(), patches.flatten(2).transpose(1, 2)], dim=1)

    return _mapped(seen, fit)


def _mapped(seen: Trace, change: Callable[[Tensor], Tensor]) -> Trace:
    return replace(seen, steps=tuple(change(step) for step in seen.steps), tokens=change(seen.tokens))
