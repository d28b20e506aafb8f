"""A network quantised to int8 on photos it will see: its linear layers multiply whole numbers of eight bits.

Weights have a scale for each output, inputs one range for all channels. Three things keep the features near to those of
fp32; figures of DeiT-tiny on bird photos, calibrated on one part and measured on the rest, are the error of the
features relative to their spread, and the share of the 20 nearest neighbours that stay:

- a layer's channels are scaled alike before, and its weights against it (SmoothQuant, arXiv 2211.10438): error 0.15 to
  0.09, neighbours 0.91 to 0.94; the class token and a few others are so large that cutting their range does harm, and
  only what a twentieth of the photos exceeds is cut
- each block is quantised by itself, and those that err most stay in floating point: a quarter of them gave 0.957 to
  0.961 with weights of 8 bits; with the 7 bits that every processor computes alike (see `_WEIGHT_LIMIT`) a quarter gave
  0.951 to 0.955 and a third 0.952 to 0.957, each in three draws of the calibration photos
- so does the last block, of which only one token is computed, and the first and the last layer
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieval.engines.openvino.cache import Converted
from retrieval.engines.openvino.engine import OpenVinoEngine
from retrieval.engines.openvino.graph import Floats, Layers, Node, Weights, graph, linear, weights_of
from retrieval.engines.openvino.without_telemetry import opset13
from retrieval.engines.protocol import INT8
from retrieval.models.checkpoint import Checkpoint
from retrieval.models.vit import VitConfig

SMOOTHING = 0.8  # how much of the difference between channels moves into the weights
QUANTILE = 0.95  # of the photos have all of an input inside its range
KEPT_SHARE = 3  # one block of so many stays in floating point
TRIED_ON = 8  # photos that tell how much a block errs
OBSERVED_AT_ONCE = 4  # photos: the inputs of all layers are held until they have been looked at
_LEVELS = 256
# Weights take 7 bits of the 8: processors without VNNI add two products of an input (0 to 255) and a weight in 16 bits,
# and 2 x 255 x 63 is the most that fits. With 127 they saturate, silently and on those processors alone.
_WEIGHT_LIMIT = 63
_INPUTS = ("attn.qkv", "attn.proj", "mlp.0", "mlp.3")

Passed = Callable[[int], None]  # told how many more photos went through the network


class Extremes(NamedTuple):
    """The least and the greatest value in each channel of a layer's input, for each photo: (n, channels) both."""

    least: Floats
    greatest: Floats

    def range(self) -> tuple[float, float]:
        """The range of all channels that holds a photo's values in most cases; 0 is in it."""
        low, high = (np.quantile(values.max(axis=1), QUANTILE) for values in (-self.least, self.greatest))
        return min(float(-low), 0.0), max(float(high), 1e-6)


class _Recorder:
    """Builds linear layers as they are, and asks for the extremes of their inputs."""

    def __init__(self) -> None:
        self.inputs: dict[str, Node] = {}

    def linear(self, x: Node, name: str, weight: Floats, bias: Floats) -> Node:
        self.inputs.setdefault(name, x)
        return linear(x, name, weight, bias)

    def extremes(self) -> list[Node]:
        """Two nodes (n, channels) for each input."""
        tokens = np.array([1])
        reductions = (opset13.reduce_min, opset13.reduce_max)
        return [reduction(x, tokens) for x in self.inputs.values() for reduction in reductions]


class _Quantiser:
    """Builds linear layers in int8 where there is a range for their input, else as they are."""

    def __init__(self, ranges: dict[str, tuple[float, float]]) -> None:
        self._ranges = ranges
        self._inputs: dict[str, Node] = {}  # one for all that read it: query, key and value

    def linear(self, x: Node, name: str, weight: Floats, bias: Floats) -> Node:
        if name not in self._ranges:
            return linear(x, name, weight, bias)
        if name not in self._inputs:
            low, high = (np.array(limit, np.float32) for limit in self._ranges[name])
            self._inputs[name] = opset13.fake_quantize(x, low, high, low, high, _LEVELS, name=name)
        scale = np.maximum(np.abs(weight).max(axis=1, keepdims=True), np.float32(1e-12))
        scale /= np.float32(_WEIGHT_LIMIT)
        whole = opset13.constant(np.rint(weight / scale).astype(np.int8))
        restored = opset13.multiply(opset13.convert(whole, "f32"), opset13.constant(scale))
        return opset13.matmul(self._inputs[name], restored, False, True) + bias


def passes(config: VitConfig, n: int) -> int:
    """How many passes through the network it takes to quantise it on n photos."""
    return n + (min(n, TRIED_ON) * len(_blocks(config)) if config.blocks >= KEPT_SHARE else 0)


def quantise(checkpoint: Checkpoint, images: NDArray[np.uint8], passed: Passed = lambda _more: None) -> Converted:
    """Quantise a network, calibrated on RGB images (n, height, width, 3), n at least 1."""
    blocks = _blocks(checkpoint.config)
    kept = checkpoint.config.blocks // KEPT_SHARE
    features, extremes = _observe(checkpoint, images, passed)
    weights, extremes = smoothed(weights_of(checkpoint), extremes, blocks)
    ranges = {name: extremes[name].range() for name in extremes}

    def with_int8(chosen: Sequence[str]) -> Converted:
        only = {f"{block}.{name}": ranges[f"{block}.{name}"] for block in chosen for name in _INPUTS}
        return _converted(checkpoint, graph(checkpoint, Layers(weights, _Quantiser(only).linear)))

    if kept:
        tried, errors = images[:TRIED_ON], []
        for block in blocks:
            found = OpenVinoEngine(with_int8([block]), precision=INT8).run(tried)
            errors.append(float(np.linalg.norm(found - features[: len(tried)])))
            passed(len(tried))
        blocks = [blocks[index] for index in sorted(np.argsort(errors)[: len(blocks) - kept])]
    return with_int8(blocks)


def _blocks(config: VitConfig) -> list[str]:
    """The blocks worth it: not the last one where only the class token is computed of it."""
    return [f"encoder.block.{index}" for index in range(config.blocks - config.class_token)]


def _observe(checkpoint: Checkpoint, images: NDArray[np.uint8], passed: Passed) -> tuple[Floats, dict[str, Extremes]]:
    """The features in fp32, and the extremes of each linear layer's input."""
    recorder = _Recorder()
    layers = Layers(weights_of(checkpoint), recorder.linear)
    engine = OpenVinoEngine(_converted(checkpoint, graph(checkpoint, layers, recorder.extremes)), precision="fp32")
    batches = []
    for start in range(0, len(images), OBSERVED_AT_ONCE):
        batch = images[start : start + OBSERVED_AT_ONCE]
        batches.append(engine.outputs(batch))
        passed(len(batch))
    outputs = [np.concatenate(parts) for parts in zip(*batches, strict=True)]
    features, *found = outputs
    pairs = zip(recorder.inputs, found[::2], found[1::2], strict=True)
    return features, {name: Extremes(least, greatest) for name, least, greatest in pairs}


def _converted(checkpoint: Checkpoint, model: Any) -> Converted:
    return Converted(model, checkpoint.transform)


def smoothed(
    weights: Weights, extremes: dict[str, Extremes], blocks: Sequence[str]
) -> tuple[dict[str, Floats], dict[str, Extremes]]:
    """Weights of the same function whose inputs are more alike from channel to channel, and these inputs' extremes.

    What a layer's weights are multiplied by, its input is divided by: in the norm, the values or the hidden layer
    that it comes from.
    """
    weights, extremes = dict(weights), dict(extremes)
    for block in blocks:
        for name in (f"{block}.{part}" for part in _INPUTS):
            factor = _factor(weights[f"{name}.weight"], extremes[name])
            weights[f"{name}.weight"] = weights[f"{name}.weight"] * factor
            _divide_source(weights, block, name, factor)
            extremes[name] = Extremes(*(values / factor for values in extremes[name]))
    return weights, extremes


def _factor(weight: Floats, seen: Extremes) -> Floats:
    """What each channel is to be divided by (channels,)."""
    largest = np.maximum(np.abs(seen.least).max(axis=0), np.abs(seen.greatest).max(axis=0))
    inputs, columns = (np.maximum(values, np.float32(1e-5)) for values in (largest, np.abs(weight).max(axis=0)))
    factor = inputs**SMOOTHING / columns ** (1 - SMOOTHING)
    return np.asarray(factor / np.exp(np.log(factor).mean()), np.float32)


def _divide_source(weights: dict[str, Floats], block: str, name: str, factor: Floats) -> None:
    """Divide the channels of a layer's input where they are made."""
    if name.endswith("mlp.3"):
        weights[f"{block}.mlp.2"] = np.float32(1) / factor  # behind the activation, which is not linear
        return
    if name.endswith("attn.proj"):  # attention mixes tokens, and leaves each channel of the values to itself
        divisor = np.concatenate([np.ones(2 * len(factor), np.float32), factor])
        weights[f"{block}.attn.qkv.weight"] = weights[f"{block}.attn.qkv.weight"] / divisor[:, None]
        weights[f"{block}.attn.qkv.bias"] = weights[f"{block}.attn.qkv.bias"] / divisor
        return
    norm = f"{block}.norm1" if name.endswith("attn.qkv") else f"{block}.norm2"
    for part in ("weight", "bias"):
        weights[f"{norm}.{part}"] = weights[f"{norm}.{part}"] / factor
