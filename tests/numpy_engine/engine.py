"""The arithmetic of `retrieval.models.vit` in NumPy: pixels in, features out."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.engines.protocol import Floats
from retrieval.errors import ModelError, Remedy
from retrieval.models.checkpoint import Checkpoint
from retrieval.models.lazy_checkpoint import LazyCheckpoint
from retrieval.models.vit import LAYER_NORM_EPSILON

_erf = np.vectorize(math.erf, otypes=[np.float64])


class NumpyEngine:
    """One network on the CPU, in single precision."""

    precision = "fp32"
    batch_size = 4
    batches_ahead = 0

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.transform = checkpoint.transform
        self._config = checkpoint.config
        self._weights = {name: tensor.numpy() for name, tensor in checkpoint.state.items()}

    def expect(self, images: int, batch_size: int) -> None:
        """Nothing is worth preparing."""

    def submit(self, images: Sequence[NDArray[np.uint8]]) -> Callable[[], Floats]:
        return lambda: self.run(np.stack(images))

    def run(self, images: NDArray[np.uint8]) -> Floats:
        expected = (self.transform.height, self.transform.width, 3)
        if images.dtype != np.uint8 or images.shape[1:] != expected:
            raise ValueError(f"images are {images.dtype} {images.shape[1:]}, the network takes uint8 {expected}")
        x = self._stem((images / 255 - self.transform.mean) / self.transform.std)
        for block in range(self._config.blocks):
            x = self._block(x, f"encoder.block.{block}.")
        x = self._norm(x, "norm")
        special = self._config.special_tokens
        features = x[:, special - 1] if self._config.class_token else x[:, special:].mean(axis=1)
        return features.astype(np.float32)

    def _stem(self, images: Floats) -> Floats:
        """The tokens that the first block sees: registers, class token, patches row by row."""
        (rows, columns), side = self._config.grid, self._config.patch_size
        patches = images.reshape(len(images), rows, side, columns, side, 3).transpose(0, 1, 3, 5, 2, 4)
        patches = patches.reshape(len(images), rows * columns, -1)
        weight, bias = self._weights["conv_proj.weight"], self._weights["conv_proj.bias"]
        tables = [self._weights[name] for name in ("reg_tokens", "class_token") if name in self._weights]
        special = [np.repeat(table, len(images), axis=0) for table in tables]
        tokens = [*special, patches @ weight.reshape(len(weight), -1).T + bias]
        return np.concatenate(tokens, axis=1) + self._weights["pos_embedding"]

    def _block(self, x: Floats, name: str) -> Floats:
        attended = self._attention(self._linear(self._norm(x, f"{name}norm1"), f"{name}attn.qkv"))
        x = x + self._linear(attended, f"{name}attn.proj")
        hidden = self._linear(self._norm(x, f"{name}norm2"), f"{name}mlp.0")
        return x + self._linear(hidden * (1 + _erf(hidden / math.sqrt(2))) / 2, f"{name}mlp.3")

    def _attention(self, qkv: Floats) -> Floats:
        n, tokens, width = qkv.shape
        q, k, v = qkv.reshape(n, tokens, 3, self._config.heads, -1).transpose(2, 0, 3, 1, 4)
        scores = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        return (shares @ v).transpose(0, 2, 1, 3).reshape(n, tokens, width // 3)

    def _linear(self, x: Floats, name: str) -> Floats:
        return x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _norm(self, x: Floats, name: str) -> Floats:
        centred = x - x.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + LAYER_NORM_EPSILON)
        return scaled * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def precisions() -> tuple[str, ...]:
    return (NumpyEngine.precision,)


def start(checkpoint: LazyCheckpoint, *, device: str, precision: str) -> NumpyEngine:
    if precision not in ("auto", *precisions()):
        raise ModelError(f"NumPy computes in fp32, not in '{precision}'", Remedy.OTHER_PRECISION_OR_ENGINE)
    return NumpyEngine(checkpoint.load())
