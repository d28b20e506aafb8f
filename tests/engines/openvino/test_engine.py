"""The OpenVINO engine: the same answers as torch, any batch, a cache that mends itself, and nothing told to anyone."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny import tiny_network

from retrieval.engines.torch.engine import TorchEngine
from retrieval.errors import ModelError
from retrieval.models import checkpoint
from retrieval.models.checkpoint import Checkpoint

pytest.importorskip(
    "retrieval.engines.openvino.engine", exc_type=ImportError
)  # not the library itself: it would report it

from retrieval.engines.openvino import cache as network_cache
from retrieval.engines.openvino.cache import convert, converted
from retrieval.engines.openvino.engine import OpenVinoEngine, precisions
from retrieval.engines.openvino.graph import answers
from retrieval.engines.openvino.quiet import openvino, opset13

needs_bf16 = pytest.mark.skipif("bf16" not in precisions(), reason="this processor does not compute in bf16")


def images(n: int, height: int = 32, width: int = 32) -> NDArray[np.uint8]:
    return np.random.default_rng(2).integers(0, 256, (n, height, width, 3), np.uint8)


def cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def engine(network: Checkpoint | None = None, precision: str = "fp32") -> OpenVinoEngine:
    return OpenVinoEngine(convert(network or tiny_network()), precision=precision)


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
    features, logits = engine(network).run(batch)
    expected, expected_logits = TorchEngine(network, device="cpu", precision="fp32").run(batch)
    np.testing.assert_allclose(features, expected, atol=1e-5)
    np.testing.assert_allclose(logits, expected_logits, atol=1e-5)
    assert features.dtype == logits.dtype == np.float32


@needs_bf16
@pytest.mark.parametrize("class_token", [True, False])
def test_bf16_stays_close_to_float32(class_token: bool) -> None:
    network = tiny_network(class_token=class_token)
    batch = images(8)
    exact, _ = engine(network).run(batch)
    features, logits = engine(network, "bf16").run(batch)
    assert features.dtype == logits.dtype == np.float32
    assert not np.array_equal(features, exact)
    assert cosine(features, exact).min() >= 0.9995


@pytest.mark.parametrize("precision", precisions())
def test_batches_do_not_matter(precision: str) -> None:
    network = engine(precision=precision)
    batch = images(7)
    together, _ = network.run(batch)
    apart = np.concatenate([network.run(batch[start : start + 3])[0] for start in range(0, 7, 3)])
    assert cosine(together, apart).min() >= (0.999999 if precision == "fp32" else 0.9995)


def test_a_single_image_is_answered_alike_before_and_after_many() -> None:
    network = engine()
    batch = images(5)
    first, _ = network.run(batch[:1])
    many, _ = network.run(batch)
    last, _ = network.run(batch[:1])
    np.testing.assert_allclose(first, many[:1], atol=1e-5)
    np.testing.assert_allclose(last, many[:1], atol=1e-5)
    assert network.batch_size >= 2


@pytest.mark.parametrize("classes", [0, 5])
def test_an_empty_batch_gives_empty_answers(classes: int) -> None:
    features, logits = engine(tiny_network(classes=classes)).run(images(0))
    assert (features.shape, logits.shape) == ((0, 32), (0, classes))


def test_answers_outlive_the_next_batch() -> None:
    network = engine()
    features, logits = network.run(images(2))
    kept = features.copy(), logits.copy()
    network.run(255 - images(2))
    np.testing.assert_array_equal(features, kept[0])
    np.testing.assert_array_equal(logits, kept[1])


def test_the_callers_pixels_are_left_alone_and_may_be_any_view() -> None:
    network = engine()
    batch = images(2)
    kept = batch.copy()
    mirrored, _ = network.run(batch[:, :, ::-1])
    np.testing.assert_array_equal(batch, kept)
    np.testing.assert_allclose(mirrored, network.run(np.ascontiguousarray(batch[:, :, ::-1]))[0], atol=1e-6)
    batch.flags.writeable = False
    network.run(batch)


@pytest.mark.parametrize("batch", [images(1, 32, 48), images(1).astype(np.float32), images(1)[0]], ids=str)
def test_images_of_another_kind_are_refused(batch: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match=r"the network takes uint8 \(32, 32, 3\)"):
        engine().run(batch)


def test_the_fastest_precision_of_the_processor_is_chosen() -> None:
    assert engine(precision="auto").precision == precisions()[-1]
    assert precisions()[0] == "fp32"


def test_a_precision_that_cannot_be_had_is_refused() -> None:
    with pytest.raises(ModelError, match=r"'fp16' on this processor\. Choose one of: auto, fp32.*--engine"):
        engine(precision="fp16")


# The cache.


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RETRIEVAL_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "openvino"


def never() -> Checkpoint:
    raise AssertionError("the checkpoint was loaded")


def folder_of(cache: Path, sha256: str = "a" * 64) -> Path:
    (folder,) = (path for path in cache.iterdir() if path.name.startswith(sha256))
    return folder


def test_a_kept_network_is_used_without_the_checkpoint(cache: Path) -> None:
    network = replace(tiny_network(), label_kind="general")
    made = converted("a" * 64, lambda: network)
    found = converted("a" * 64, never)
    assert (found.transform, found.label_kind, found.head.labels) == (network.transform, "general", network.labels)
    np.testing.assert_array_equal(found.head.weight, made.head.weight)
    exact, exact_logits = TorchEngine(network, device="cpu", precision="fp32").run(images(2))
    for _ in range(2):  # the second start comes from what OpenVINO has kept
        features, logits = OpenVinoEngine(converted("a" * 64, never), precision="fp32").run(images(2))
        np.testing.assert_allclose(features, exact, atol=1e-5)
        np.testing.assert_allclose(logits, exact_logits, atol=1e-5)
    assert any(folder_of(cache).glob("compiled-fp32/*"))
    assert not any(cache.glob("making-*"))


@needs_bf16
def test_precisions_do_not_share_what_was_compiled(cache: Path) -> None:
    network = converted("a" * 64, tiny_network)
    exact, _ = OpenVinoEngine(network, precision="fp32").run(images(2))
    for _ in range(2):
        reduced, _ = OpenVinoEngine(network, precision="bf16").run(images(2))
        assert not np.array_equal(reduced, exact)
        np.testing.assert_array_equal(OpenVinoEngine(network, precision="fp32").run(images(2))[0], exact)


def truncate(folder: Path) -> None:
    os.truncate(folder / "network.bin", (folder / "network.bin").stat().st_size // 2)


def overwrite(folder: Path) -> None:
    (folder / "network.bin").write_bytes(bytes((folder / "network.bin").stat().st_size))


def remove(folder: Path) -> None:
    (folder / "network.xml").unlink()


def garble(folder: Path) -> None:
    (folder / "facts.json").write_text("{")


def exchange(folder: Path) -> None:
    facts = json.loads((folder / "facts.json").read_text())
    (folder / "facts.json").write_text(json.dumps({**facts, "weights_sha256": "b" * 64}))


def behead(folder: Path) -> None:
    (folder / "head.safetensors").write_bytes(b"\x00" * 20)


def replace_by_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "facts.json").write_text("[]")


@pytest.mark.parametrize("harm", [truncate, overwrite, remove, garble, exchange, behead, replace_by_file])
def test_what_is_broken_is_made_again(cache: Path, harm: Any) -> None:
    converted("a" * 64, tiny_network)
    harm(folder_of(cache))
    again = OpenVinoEngine(converted("a" * 64, tiny_network), precision="fp32").run(images(2))
    exact, _ = TorchEngine(tiny_network(), device="cpu", precision="fp32").run(images(2))
    np.testing.assert_allclose(again[0], exact, atol=1e-5)
    assert converted("a" * 64, never).folder == folder_of(cache)


@pytest.mark.parametrize("harm", [lambda data: data[: len(data) // 2], lambda data: bytes(len(data)), lambda _: b""])
def test_a_broken_compiled_network_is_compiled_again(cache: Path, harm: Any) -> None:
    network = converted("a" * 64, tiny_network)
    exact, _ = OpenVinoEngine(network, precision="fp32").run(images(2))
    (blob,) = folder_of(cache).glob("compiled-fp32/*")
    data = blob.read_bytes()
    blob.chmod(0o600)
    blob.write_bytes(harm(data))
    features, _ = OpenVinoEngine(network, precision="fp32").run(images(2))
    np.testing.assert_allclose(features, exact, atol=1e-5)


def test_without_a_place_for_it_the_network_runs_from_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RETRIEVAL_CACHE_DIR", str(tmp_path / "file"))
    network = converted("a" * 64, tiny_network)
    assert network.folder is None
    assert OpenVinoEngine(network).run(images(1))[0].shape == (1, 32)


def test_other_versions_go_at_once_and_other_networks_in_the_end(cache: Path) -> None:
    older = cache / f"{'0' * 64}-0-2020.1"
    older.mkdir(parents=True)
    for number in range(network_cache.KEPT + 2):
        converted(f"{number:064}", tiny_network)
    assert not older.exists()
    assert len(list(cache.iterdir())) == network_cache.KEPT
    converted(f"{number:064}", never)


# Nothing is told.

SCRIPT = """
import sys
from retrieval.engines.openvino_quiet import openvino
assert "openvino_telemetry" not in sys.modules
openvino.Core()
assert hasattr(openvino, "convert_model"), "nothing else is taken away"
assert "torch" not in sys.modules
import openvino_telemetry  # stays there for whoever wants it
"""


def test_importing_it_reports_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "TF_BUILD", "JENKINS_URL")}
    environment |= {"HOME": str(home), "LOCALAPPDATA": str(home), "USERPROFILE": str(home)}
    subprocess.run([sys.executable, "-c", SCRIPT], env=environment, check=True, timeout=100)
    assert list(home.iterdir()) == []


# Real checkpoints.


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
    model = openvino.Model([node.output(0) for node in answers(normalised, network)], [normalised], "normalised")
    for hint, distance, least in (("f32", 1e-4, 0.999999), ("bf16", None, 0.9995)):
        if hint == "bf16" and "bf16" not in precisions():
            continue
        compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": hint})
        features, logits = compiled(batch).values()
        assert cosine(features, expected["embedding"]).min() >= least
        if distance:
            assert np.abs(features - expected["embedding"]).max() < distance
            assert np.abs(logits - expected["logits"]).max() < distance


@pytest.mark.shared
@pytest.mark.parametrize("precision", precisions())
def test_a_real_networks_embedding_is_torchs(shared: Path, precision: str) -> None:
    network = checkpoint.load(shared / "checkpoints" / "vit_t16_imagenet1k.pt")
    batch = np.repeat(np.repeat(images(2, 28, 28), 8, axis=1), 8, axis=2)
    exact, _ = TorchEngine(network, device="cpu", precision="fp32").run(batch)
    features, _ = engine(network, precision).run(batch)
    assert cosine(exact, features).min() >= (0.9999999 if precision == "fp32" else 0.998)
