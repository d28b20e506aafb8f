"""The student: a network of the teacher's depth and width with registers, begun from random numbers alone."""

from dataclasses import replace

import torch
from torch import nn

from retrieval.errors import CheckpointError
from retrieval.models.vit import VisionTransformer, VitConfig

_TABLES = ("class_token", "reg_tokens", "pos_embedding")
_TABLE_DEVIATION = 0.02  # as vision transformers begin, arXiv 2010.11929
# Of what a block adds at first: steps that begin near nothing are sooner of the teacher's size than ones that begin
# long and in a wrong direction. After 1,600 views the blocks' error was 0.40 instead of 0.45.
_OUTPUT_SCALE = 0.2
_OUTPUTS = ("attn.proj.weight", "mlp.3.weight")


def student_config(teacher: VitConfig, *, registers: int, image_size: int) -> VitConfig:
    """The sizes of a student whose blocks can learn the teacher's blocks one by one.

    Raises CheckpointError where the teacher has no class token, no classes or no such input size.
    """
    if not teacher.class_token or not teacher.classes:
        raise CheckpointError("the teacher has no class token or no classes, so there is nothing to learn from it")
    if image_size < teacher.patch_size or image_size % teacher.patch_size:
        raise CheckpointError(f"an input of {image_size} pixels does not divide into patches of {teacher.patch_size}")
    return replace(teacher, registers=registers, image_size=(image_size, image_size))


def random_student(config: VitConfig, seed: int) -> VisionTransformer:
    """A network with random weights, the same for the same seed."""
    with torch.device("meta"):  # its own random numbers would depend on what was drawn before
        network = VisionTransformer(config)
    network.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in network.named_parameters():
        _initialise(name, parameter, generator)
    return network


def _initialise(name: str, parameter: nn.Parameter, generator: torch.Generator) -> None:
    """Weights that keep the variance of what goes through them, biases of zero."""
    if name in _TABLES:
        nn.init.trunc_normal_(parameter, std=_TABLE_DEVIATION, generator=generator)
    elif parameter.ndim > 1:
        scale = _OUTPUT_SCALE if name.endswith(_OUTPUTS) else 1.0
        inputs = parameter[0].numel()
        nn.init.trunc_normal_(parameter, std=scale * inputs**-0.5, generator=generator)
    elif name.endswith("weight"):  # a norm's
        nn.init.ones_(parameter)
    else:
        nn.init.zeros_(parameter)
