"""The graph computes what the network of the checkpoint does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny import tiny_network

from retrieval.engines.torch.engine import TorchEngine
from retrieval.models import checkpoint
from retrieval.models.head import Head

pytest.importorskip(
    "retrieval.engines.openvino.engine", exc_type=ImportError
)  # not the library itself: it would report it

from retrieval.engines.openvino.cache import convert
from retrieval.engines.openvino.core import core
from retrieval.engines.openvino.engine import OpenVinoEngine, precisions
from retrieval.engines.openvino.graph import Layers, graph, linear, weights_of
from retrieval.engines.openvino.graph import features as features_node
from retrieval.engines.openvino.without_telemetry import openvino, opset13


def images(n: int, height: int = 32, width: int = 32) -> NDArray[np.uint8]:
    return np.random.default_rng(2).integers(0, 256, (n, height, width, 3), np.uint8)


def cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"registers": 0},
        {"class_token": False},
        {"registers": 0, "class_token": False},
        {"classes": 0},
        {"image_size": (48, 32)},
    ],
    ids=str,
)
def test_answers_as_torch(changes: dict[str, Any]) -> None:
    network = tiny_network(**changes)
    batch = images(3, *network.config.image_size)
    features = OpenVinoEngine(convert(network), precision="fp32").run(batch)
    np.testing.assert_allclose(features, TorchEngine(network, device="cpu", precision="fp32").run(batch), atol=1e-5)
    assert features.dtype == np.float32


@pytest.mark.shared
@pytest.mark.parametrize("name", ["vit_reg4_tiny", "vitreg4_tiny_legacy", "vit_t16_imagenet1k"])
def test_answers_as_the_original_library(shared: Path, name: str) -> None:
    folder = shared / "checkpoints"
    network = checkpoint.load(folder / f"{name}.pt")
    expected = np.load(folder / f"{name}.expected.npz")
    if "x" in expected:
        batch = expected["x"]
    else:
        generator = torch.Generator().manual_seed(int(expected["seed"]))
        batch = torch.randn(tuple(expected["shape"]), generator=generator).numpy()
    normalised = opset13.parameter([-1, 3, *network.config.image_size], openvino.Type.f32)
    model = openvino.Model([features_node(normalised, network).output(0)], [normalised], "normalised")
    for hint, distance, least in (("f32", 1e-4, 0.999999), ("bf16", None, 0.9995)):
        if hint == "bf16" and "bf16" not in precisions():
            continue
        compiled = core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": hint})
        (features,) = compiled(batch).values()
        logits = Head.of(network).logits(features)
        assert cosine(features, expected["embedding"]).min() >= least
        if distance:
            assert np.abs(features - expected["embedding"]).max() < distance
            assert np.abs(logits - expected["logits"]).max() < distance


def test_linear_layers_are_named_by_block_and_matrix() -> None:
    """Calibration tells them apart by these names."""
    network = tiny_network()
    seen: list[str] = []

    def noted(x: Any, name: str, weight: Any, bias: Any) -> Any:
        seen.append(name)
        return linear(x, name, weight, bias)

    graph(network, Layers(weights_of(network), noted))
    expected = {f"encoder.block.{b}.{part}" for b in (0, 1) for part in ("attn.qkv", "attn.proj", "mlp.0", "mlp.3")}
    assert set(seen) == expected


def test_more_outputs_come_after_the_features() -> None:
    network = tiny_network()
    made = graph(network, more=lambda: [opset13.constant(np.float32(7))])
    assert len(made.outputs) == 2
    (features, seven) = core().compile_model(made, "CPU")(images(2)).values()
    assert (features.shape, float(seven)) == ((2, 32), 7.0)


def test_weights_are_not_copied() -> None:
    network = tiny_network()
    assert weights_of(network)["norm.weight"].ctypes.data == network.state["norm.weight"].data_ptr()
