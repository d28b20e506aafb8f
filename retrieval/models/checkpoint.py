"""Checkpoints: from a file to a network with its labels and input transform, or to the reason why not.

The files are the birder family's, old and new; `weightfile` opens them, `architecture` reads the sizes.
Everything is checked before anything is returned: what cannot be represented is refused, never half-loaded.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from retrieval.errors import CheckpointError, Remedy
from retrieval.models import architecture, weightfile
from retrieval.models.known import LabelKind
from retrieval.models.transform import InputTransform
from retrieval.models.vit import VisionTransformer, VitConfig, resize_position_table
from retrieval.text import printable

FORMAT_VERSION = "v0.8.4"  # of birder, whose file format `save` writes


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A network's sizes, labels, input transform and weights, which fit together."""

    config: VitConfig
    labels: tuple[str, ...]  # by index of the logit
    transform: InputTransform
    state: dict[str, Tensor]  # float32, in modern spelling
    label_kind: LabelKind = "species"  # "general" labels identify no species

    def network(self) -> VisionTransformer:
        """The network with these weights (shared, not copied), in evaluation mode."""
        with torch.device("meta"):  # no memory, no random numbers: every weight is replaced at once
            network = VisionTransformer(self.config)
        network.load_state_dict(self.state, strict=True, assign=True)
        return network.requires_grad_(False).eval()

    def resized(self, image_size: tuple[int, int]) -> "Checkpoint":
        """The same network for images of another (height, width), its position table interpolated.

        Raises CheckpointError unless both are multiples of the patch size.
        """
        height, width = image_size
        patch = self.config.patch_size
        if height < patch or width < patch or height % patch or width % patch:
            raise CheckpointError(
                f"an input of {height}x{width} pixels does not divide into this network's patches of {patch}x{patch}",
                Remedy.OTHER_INPUT_SIZE,
                patch=patch,
            )
        config = replace(self.config, image_size=image_size)
        table = resize_position_table(self.state["pos_embedding"], config.special_tokens, self.config.grid, config.grid)
        transform = replace(self.transform, height=height, width=width)
        return replace(self, config=config, transform=transform, state=self.state | {"pos_embedding": table})


def load(path: Path) -> Checkpoint:
    """Read a `.pt` or `.safetensors` checkpoint.

    Raises CheckpointError, which names the file and the reason, if the file cannot be read, cannot be represented
    or contradicts itself.
    """
    contents = weightfile.read(path)
    try:
        architecture.refuse_lookalikes(path.name)
        return _interpret(contents.tensors, contents.metadata)
    except CheckpointError as error:
        reason = printable(error.what)  # names of layers come from the file
        raise CheckpointError(f"{path} cannot be used: {reason}", Remedy.OTHER_MODEL) from error


def save(
    path: Path,
    checkpoint: Checkpoint,
    *,
    dtype: torch.dtype = torch.float32,
    extra: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write a checkpoint as safetensors with the family's metadata, all of it or nothing. Raises OSError.

    `dtype` is how weights are stored: float16 halves the file. `extra` is metadata beside the family's own.
    """
    config, transform = checkpoint.config, checkpoint.transform
    metadata = {
        **extra,
        "task": "image_classification",
        "birder_version": FORMAT_VERSION,
        "class_to_idx": {label: index for index, label in enumerate(checkpoint.labels)},
        "signature": {
            "inputs": [{"data_shape": [0, 3, *config.image_size]}],
            "outputs": [{"data_shape": [0, config.classes]}],
        },
        "rgb_stats": {"mean": transform.mean, "std": transform.std},
        "config": architecture.sizes(config),
    }
    if checkpoint.label_kind != "species":
        metadata["label_kind"] = checkpoint.label_kind
    weightfile.write(path, {name: tensor.to(dtype) for name, tensor in checkpoint.state.items()}, metadata)


def _interpret(tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> Checkpoint:
    tensors = architecture.modern_spelling(tensors)
    config = architecture.config_of(tensors, metadata)
    labels = _labels(metadata, config.classes)
    transform = _transform(metadata.get("rgb_stats"), config.image_size)
    state = {name: _weight(name, tensors[name]) for name in tensors}
    kind: LabelKind = "general" if metadata.get("label_kind") == "general" else "species"
    return Checkpoint(config, labels, transform, state, kind)


def _labels(metadata: Mapping[str, Any], classes: int) -> tuple[str, ...]:
    match metadata.get("signature"):
        case {"outputs": [{"data_shape": [_, int(stated)]}, *_]} if stated != classes:
            raise CheckpointError(f"its 'signature' states {stated} classes, but its head has {classes}")
    indices = metadata.get("class_to_idx") or {}
    if not isinstance(indices, Mapping) or len(indices) != classes:
        raise CheckpointError(f"its head has {classes} classes, but its labels ('class_to_idx') are not as many")
    by_index = {index: label for label, index in indices.items() if type(index) is int}
    if set(by_index) != set(range(classes)):
        raise CheckpointError(f"its labels ('class_to_idx') are not numbered from 0 to {classes - 1}")
    return tuple(str(by_index[index]) for index in range(classes))


def _transform(rgb_stats: object, image_size: tuple[int, int]) -> InputTransform:
    match rgb_stats:
        case {"mean": [*mean], "std": [*std]} if _are_numbers(mean) and _are_numbers(std) and min(std) > 0:
            height, width = image_size
            return InputTransform(height, width, (mean[0], mean[1], mean[2]), (std[0], std[1], std[2]))
    raise CheckpointError("it does not state the mean and deviation of its input ('rgb_stats')")


def _are_numbers(values: list[Any]) -> bool:
    return len(values) == 3 and all(isinstance(value, int | float) and math.isfinite(value) for value in values)


def _weight(name: str, tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point() or tensor.is_meta or tensor.layout is not torch.strided:
        raise CheckpointError(f"its '{name}' holds {tensor.dtype}, not floating point: quantised weights are not read")
    tensor = tensor.detach().to(torch.float32)
    # A sum is one pass where isfinite makes three; large finite weights may overflow it, so it only suspects.
    if not math.isfinite(tensor.sum()) and not tensor.isfinite().all():
        raise CheckpointError(f"its '{name}' holds numbers that are not finite")
    return tensor
