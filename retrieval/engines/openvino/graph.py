"""A checkpoint as an OpenVINO graph: the arithmetic of `models.vit`, from uint8 pixels to features.

Built layer by layer: a trace of the torch module takes half a minute and fixes the batch size.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.engines.openvino.without_telemetry import openvino, opset13
from retrieval.models.checkpoint import Checkpoint
from retrieval.models.transform import InputTransform
from retrieval.models.vit import LAYER_NORM_EPSILON, VitConfig

Node = Any  # OpenVINO is not typed
Floats = NDArray[np.float32]
Weights = Mapping[str, Floats]
Linear = Callable[[Node, str, Floats, Floats], Node]  # of an input (n, tokens, width), its name, weight and bias


def linear(x: Node, _name: str, weight: Floats, bias: Floats) -> Node:
    """A linear layer as it is in the checkpoint."""
    return opset13.matmul(x, weight, False, True) + bias


@dataclass(frozen=True, slots=True)
class Layers:
    """What blocks are made of: weights by their name in the checkpoint, and how their linear layers are computed.

    `linear` is told the name of its input: block and matrix, as "encoder.block.3.mlp.0". Where the weights have a
    factor for each channel of "encoder.block.3.mlp.2", the block's hidden layer is multiplied by it.
    """

    weights: Weights
    linear: Linear = linear


def graph(checkpoint: Checkpoint, layers: Layers | None = None, more: Callable[[], list[Node]] = list) -> Any:
    """The `openvino.Model` of a network, by other `layers` than the checkpoint's if they are given.

    Its input are RGB images, uint8 (n, height, width, 3), for any n; its outputs are the features (n, d), not
    normalised, float32, then what `more` gives.
    """
    images = opset13.parameter([-1, *checkpoint.config.image_size, 3], openvino.Type.u8, name="images")
    outputs = [features(_normalised(images, checkpoint.transform), checkpoint, layers), *more()]
    return openvino.Model([output.output(0) for output in outputs], [images], "vit")


def weights_of(checkpoint: Checkpoint) -> dict[str, Floats]:
    """The weights of a checkpoint as arrays, not copied."""
    return {name: tensor.numpy() for name, tensor in checkpoint.state.items()}


def features(images: Node, checkpoint: Checkpoint, layers: Layers | None = None) -> Node:
    """The features (n, d) of normalised images (n, 3, height, width)."""
    config, layers = checkpoint.config, layers or Layers(weights_of(checkpoint))
    weights = layers.weights
    x = _tokens(images, weights, config)
    for index in range(config.blocks - 1):
        x = _block(x, layers, f"encoder.block.{index}", config.heads)
    # Of the last block's answer only the class token is read: the others' is not computed.
    asked = slice(config.registers, config.registers + 1) if config.class_token else None
    x = _block(x, layers, f"encoder.block.{config.blocks - 1}", config.heads, asked)
    return _pooled(_norm(x, weights, "norm"), config)


def _normalised(images: Node, transform: InputTransform) -> Node:
    """(n, height, width, 3) of 0 to 255 to (n, 3, height, width) as the network was trained on."""
    x = opset13.transpose(opset13.convert(images, "f32"), np.array([0, 3, 1, 2]))
    mean, std = (np.array(values, np.float32).reshape(1, 3, 1, 1) for values in (transform.mean, transform.std))
    return (x / np.array(255, np.float32) - mean) / std


def _tokens(images: Node, weights: Weights, config: VitConfig) -> Node:
    """The tokens (n, tokens, width) that the first block sees: registers, class token, patches row by row."""
    step = [config.patch_size, config.patch_size]
    x = opset13.convolution(images, weights["conv_proj.weight"], step, [0, 0], [0, 0], [1, 1])
    x = opset13.reshape(x, np.array([0, config.width, -1]), special_zero=True)
    positions = weights["pos_embedding"]
    x = opset13.transpose(x, np.array([0, 2, 1])) + (weights["conv_proj.bias"] + positions[:, config.special_tokens :])
    if not config.special_tokens:
        return x
    tables = [weights[name] for name in ("reg_tokens", "class_token") if name in weights]
    special = np.concatenate(tables, axis=1) + positions[:, : config.special_tokens]
    n = opset13.gather(opset13.shape_of(x), np.array([0]), np.array(0))
    shape = opset13.concat([n, np.array(special.shape[1:], np.int64)], 0)
    return opset13.concat([opset13.broadcast(special, shape), x], 1)


def _block(x: Node, layers: Layers, name: str, heads: int, asked: slice | None = None) -> Node:
    """One pre-norm block: (n, tokens, width) to the same, or to the `asked` tokens alone."""
    weights = layers.weights
    attended = _norm(x, weights, f"{name}.norm1")
    asking = attended
    if asked:
        x, asking = _some_tokens(x, asked), _some_tokens(attended, asked)
    x = x + _attention(asking, attended, layers, f"{name}.attn", heads)
    hidden = opset13.gelu(_linear(_norm(x, weights, f"{name}.norm2"), layers, f"{name}.mlp.0"), "erf")
    if f"{name}.mlp.2" in weights:
        hidden = hidden * weights[f"{name}.mlp.2"]
    return x + _linear(hidden, layers, f"{name}.mlp.3")


def _linear(x: Node, layers: Layers, name: str) -> Node:
    return layers.linear(x, name, layers.weights[f"{name}.weight"], layers.weights[f"{name}.bias"])


def _attention(asking: Node, attended: Node, layers: Layers, name: str, heads: int) -> Node:
    """What each token of `asking` gathers from all of `attended`."""
    matrices = np.split(layers.weights[f"{name}.qkv.weight"], 3)
    biases = np.split(layers.weights[f"{name}.qkv.bias"], 3)
    q, k, v = (
        _heads(layers.linear(tokens, f"{name}.qkv", matrix, bias), heads, matrix.shape[1] // heads)
        for tokens, matrix, bias in zip((asking, attended, attended), matrices, biases, strict=True)
    )
    x = opset13.transpose(opset13.scaled_dot_product_attention(q, k, v), np.array([0, 2, 1, 3]))
    return _linear(opset13.reshape(x, np.array([0, 0, -1]), special_zero=True), layers, f"{name}.proj")


def _heads(x: Node, heads: int, width: int) -> Node:
    """(n, tokens, heads x width) to (n, heads, tokens, width)."""
    apart = opset13.reshape(x, np.array([0, 0, heads, width]), special_zero=True)
    return opset13.transpose(apart, np.array([0, 2, 1, 3]))


def _pooled(x: Node, config: VitConfig) -> Node:
    """The class token, which stands alone after the last block, or the mean of the patches where there is none."""
    if config.class_token:
        return opset13.squeeze(x, np.array([1]))
    return opset13.reduce_mean(_some_tokens(x, slice(config.registers, config.tokens)), np.array([1]))


def _some_tokens(x: Node, which: slice) -> Node:
    start, stop, step, axis = (np.array([number]) for number in (which.start, which.stop, 1, 1))
    return opset13.slice(x, start, stop, step, axis)


def _norm(x: Node, weights: Weights, name: str) -> Node:
    x = opset13.mvn(x, np.array([-1]), True, LAYER_NORM_EPSILON, "INSIDE_SQRT")
    return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]
