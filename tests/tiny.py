"""A tiny network with random weights in the family's own file format, for every test that needs a model."""

from dataclasses import replace
from pathlib import Path

import torch

from retrieval.models import checkpoint
from retrieval.models.checkpoint import Checkpoint
from retrieval.models.known import LabelKind
from retrieval.models.transform import InputTransform
from retrieval.models.vit import VisionTransformer, VitConfig


def tiny_checkpoint(
    path: Path,
    *,
    seed: int = 0,
    image_size: tuple[int, int] = (32, 32),
    classes: int = 5,
    registers: int = 4,
    label_kind: LabelKind = "species",
) -> Path:
    """Write a ViT of two blocks, 32 wide, whose species are called "species 0" and so on; give its path back."""
    network = tiny_network(seed=seed, image_size=image_size, classes=classes, registers=registers)
    checkpoint.save(path, replace(network, label_kind=label_kind))
    return path


def tiny_network(
    *,
    seed: int = 0,
    image_size: tuple[int, int] = (32, 32),
    classes: int = 5,
    registers: int = 4,
    class_token: bool = True,
    width: int = 32,
    heads: int = 2,
    blocks: int = 2,
) -> Checkpoint:
    """The same network as an object."""
    config = VitConfig(
        image_size=image_size,
        patch_size=16,
        width=width,
        blocks=blocks,
        heads=heads,
        mlp_width=64,
        registers=registers,
        class_token=class_token,
        classes=classes,
    )
    labels = tuple(f"species {index}" for index in range(classes))
    transform = InputTransform(*image_size, mean=(0.52, 0.53, 0.49), std=(0.23, 0.23, 0.26))
    return Checkpoint(config, labels, transform, _random_state(config, seed))


def _random_state(config: VitConfig, seed: int) -> dict[str, torch.Tensor]:
    """Random everywhere, biases and norms too: a layer that is left out or swapped then changes the answer."""
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in VisionTransformer(config).state_dict().items()}
    return {name: _random(name, shape, generator) for name, shape in shapes.items()}


def _random(name: str, shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    values = torch.randn(shape, generator=generator)
    if name.endswith("weight") and len(shape) > 1:
        return values / shape[1:].numel() ** 0.5  # keeps activations near unit variance
    return 1 + 0.1 * values if "norm" in name and name.endswith("weight") else 0.2 * values
