"""Which engine runs a network, and what that costs at a start."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from photos import archive
from tiny import tiny_checkpoint

from retrieval import Index
from retrieval.embed.embedder import Embedder
from retrieval.engines import registry
from retrieval.errors import ModelError

pytest.importorskip("retrieval.engines.openvino.engine", exc_type=ImportError)

from retrieval.engines.openvino.engine import OpenVinoEngine, precisions
from retrieval.engines.torch.engine import TorchEngine


@pytest.fixture
def no_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "retrieval.engines.openvino.engine", None)


def test_a_cpu_runs_openvino_wherever_it_can_do_what_is_asked() -> None:
    assert registry.engine_for("auto", "cpu", "auto") == "openvino"
    assert registry.engine_for("auto", "cpu", "fp32") == "openvino"
    assert registry.engine_for("auto", "cpu", "fp16") == "torch"
    assert registry.engine_for("torch", "cpu", "auto") == "torch"
    assert registry.engine_for("openvino", "auto", "auto") == "openvino"


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps", "nonsense"])
def test_other_devices_are_torchs(device: str) -> None:
    assert registry.engine_for("auto", device, "auto") == "torch"
    with pytest.raises(ModelError, match=f"openvino runs on cpu, not on '{device}'.*another engine"):
        registry.engine_for("openvino", device, "auto")


def test_without_openvino_torch_runs(no_openvino: None) -> None:
    assert registry.engine_for("auto", "cpu", "auto") == "torch"
    with pytest.raises(ModelError, match=r"openvino cannot be loaded here .*pip install openvino"):
        registry.engine_for("openvino", "cpu", "auto")


def test_a_graphics_processor_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "default_device", lambda: "cuda")
    assert registry.engine_for("auto", "auto", "auto") == "torch"
    assert registry.engine_for("auto", "cpu", "auto") == "openvino"


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(ModelError, match="no engine 'onnx', only auto, openvino, torch"):
        registry.engine_for("onnx", "cpu", "auto")


@pytest.mark.parametrize(("engine", "made"), [("torch", TorchEngine), ("openvino", OpenVinoEngine)])
def test_both_engines_embed_alike(model: Path, engine: str, made: type) -> None:
    photos = [np.random.default_rng(seed).integers(0, 256, (40, 50, 3), np.uint8) for seed in range(3)]
    embedder = Embedder(str(model), engine=engine, device="cpu", precision="fp32")
    exact = Embedder(str(model), engine="torch", device="cpu", precision="fp32").embed(photos)
    for embedding, expected in zip(embedder.embed(photos), exact, strict=True):
        np.testing.assert_allclose(embedding.vector, expected.vector, atol=1e-5)
        assert embedding.norm == pytest.approx(expected.norm, rel=1e-5)
        assert [p.species for p in embedding.predictions] == [p.species for p in expected.predictions]
    assert isinstance(embedder.network.load().engine, made)
    assert embedder.model == Embedder(str(model), engine="torch", device="cpu", precision="fp32").model


def test_an_index_keeps_its_precision_whatever_the_processor_has(tmp_path: Path, model: Path) -> None:
    archive(tmp_path / "archive", 2)
    with Index.create(tmp_path / "index", model=str(model), device="cpu", precision="fp32") as index:
        index.add(tmp_path / "archive")
    with Index.open(tmp_path / "index", device="cpu") as index:
        assert index.embedder.model.precision == "fp32"
    with Index.create(tmp_path / "other", model=str(model), device="cpu") as index:
        assert index.status().model.precision == precisions()[-1]


SCRIPT = """
import json, sys
from retrieval.cli import main
main(standalone_mode=False)
heavy = ("torch", "torchvision", "openvino_telemetry", "huggingface_hub.hf_api")
print(json.dumps([name for name in heavy if name in sys.modules]), file=sys.stderr)
"""


def test_a_later_query_of_a_new_photo_needs_no_torch(tmp_path: Path) -> None:
    model = tiny_checkpoint(tmp_path / "tiny.safetensors")
    archive(tmp_path / "archive", 3)
    archive(tmp_path / "new", 4)
    environment = {**os.environ, "RETRIEVAL_CACHE_DIR": str(tmp_path / "cache"), "CUDA_VISIBLE_DEVICES": ""}

    def call(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", SCRIPT, *map(str, words), "--index", str(tmp_path / "index")]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=100)

    first = call("index", tmp_path / "archive", "--model", model, "--device", "cpu")
    assert json.loads(first.stderr.splitlines()[-1]) == ["torch"]
    asked = call("query", tmp_path / "new" / "003.jpg", "--device", "cpu")
    assert json.loads(asked.stderr.splitlines()[-1]) == []
    assert asked.stdout.count("\thit\t") == 3
