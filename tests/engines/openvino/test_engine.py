"""The OpenVINO engine: the same answers as torch, any batch, a cache that mends itself, and nothing told to anyone."""

import json
import os
import shutil
import subprocess
import sys
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
from retrieval.models.head import Head
from retrieval.models.lazy_checkpoint import LazyCheckpoint
from retrieval.models.zoo import Weights

pytest.importorskip(
    "retrieval.engines.openvino.engine", exc_type=ImportError
)  # not the library itself: it would report it

from retrieval.engines.openvino import cache as network_cache
from retrieval.engines.openvino.cache import Converted, convert, converted
from retrieval.engines.openvino.engine import OpenVinoEngine, precisions
from retrieval.engines.openvino.graph import features as features_node
from retrieval.engines.openvino.without_telemetry import openvino, opset13

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
    features = engine(network).run(batch)
    np.testing.assert_allclose(features, TorchEngine(network, device="cpu", precision="fp32").run(batch), atol=1e-5)
    assert features.dtype == np.float32


@needs_bf16
@pytest.mark.parametrize("class_token", [True, False])
def test_bf16_stays_close_to_float32(class_token: bool) -> None:
    network = tiny_network(class_token=class_token)
    batch = images(8)
    exact = engine(network).run(batch)
    features = engine(network, "bf16").run(batch)
    assert features.dtype == np.float32
    assert not np.array_equal(features, exact)
    assert cosine(features, exact).min() >= 0.9995


@pytest.mark.parametrize("precision", precisions())
def test_batches_do_not_matter(precision: str) -> None:
    network = engine(precision=precision)
    batch = images(7)
    together = network.run(batch)
    apart = np.concatenate([network.run(batch[start : start + 3]) for start in range(0, 7, 3)])
    assert cosine(together, apart).min() >= (0.999999 if precision == "fp32" else 0.9995)


def test_a_single_image_is_answered_alike_before_and_after_many() -> None:
    network = engine()
    batch = images(5)
    first = network.run(batch[:1])
    many = network.run(batch)
    last = network.run(batch[:1])
    np.testing.assert_allclose(first, many[:1], atol=1e-5)
    np.testing.assert_allclose(last, many[:1], atol=1e-5)
    assert network.batch_size >= 2


@pytest.mark.parametrize("classes", [0, 5])
def test_an_empty_batch_gives_empty_answers(classes: int) -> None:
    assert engine(tiny_network(classes=classes)).run(images(0)).shape == (0, 32)


def test_answers_outlive_the_next_batch() -> None:
    network = engine()
    features = network.run(images(2))
    kept = features.copy()
    network.run(255 - images(2))
    np.testing.assert_array_equal(features, kept)


def test_the_callers_pixels_are_left_alone_and_may_be_any_view() -> None:
    network = engine()
    batch = images(2)
    kept = batch.copy()
    mirrored = network.run(batch[:, :, ::-1])
    np.testing.assert_array_equal(batch, kept)
    np.testing.assert_allclose(mirrored, network.run(np.ascontiguousarray(batch[:, :, ::-1])), atol=1e-6)
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
    with pytest.raises(ModelError, match=r"computes in fp32.* on this processor, not in 'fp16'.*another engine"):
        engine(precision="fp16")


# The cache.


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RETRIEVAL_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "openvino"


class Given(LazyCheckpoint):
    """A network that is in memory, under any digest; without one, loading fails the test."""

    def __init__(self, sha256: str, network: Checkpoint | None, image_size: tuple[int, int] | None = None) -> None:
        super().__init__(Weights("tiny", "tiny", Path("tiny.pt"), sha256), image_size)
        self._network = network

    def load(self) -> Checkpoint:
        assert self._network is not None, "the checkpoint was loaded"
        self._is_resized = self.image_size not in (None, self._network.config.image_size)
        return self._network.resized(self.image_size) if self.image_size else self._network


def kept(network: Checkpoint | None = None, *, sha256: str = "a" * 64) -> Converted:
    return converted(Given(sha256, network or tiny_network()))


def found(sha256: str = "a" * 64, image_size: tuple[int, int] | None = None) -> Converted:
    """From the cache alone."""
    return converted(Given(sha256, None, image_size))


def folder_of(cache: Path, sha256: str = "a" * 64) -> Path:
    (folder,) = (path for path in cache.iterdir() if path.name.startswith(sha256))
    return folder


def test_a_kept_network_is_used_without_the_checkpoint(cache: Path) -> None:
    network = tiny_network()
    kept(network)
    assert found().transform == network.transform
    exact = TorchEngine(network, device="cpu", precision="fp32").run(images(2))
    for _ in range(2):  # the second start comes from what OpenVINO has kept
        features = OpenVinoEngine(found(), precision="fp32").run(images(2))
        np.testing.assert_allclose(features, exact, atol=1e-5)
    assert any(folder_of(cache).glob("compiled-fp32/*"))
    assert not any(cache.glob("making-*"))


def test_graphs_of_an_older_layout_are_not_used(cache: Path) -> None:
    kept()
    older = folder_of(cache).rename(cache / f"{'a' * 64}-1-{openvino.__version__.split('-')[0]}")
    assert kept().folder == folder_of(cache)
    assert not older.exists()


def test_each_input_size_has_its_own_network(cache: Path) -> None:
    """Looked for by size alone: a network at its own size is one folder, whether that was asked for or not."""
    kept()
    assert found(image_size=(32, 32)).folder == found().folder
    made = converted(Given("a" * 64, tiny_network(), (64, 48)))
    assert made.folder != found().folder
    assert found(image_size=(64, 48)).folder == made.folder
    assert found().folder is not None  # neither has driven out the other
    exact = TorchEngine(tiny_network().resized((64, 48)), device="cpu", precision="fp32").run(images(2, 64, 48))
    features = OpenVinoEngine(found(image_size=(64, 48)), precision="fp32").run(images(2, 64, 48))
    np.testing.assert_allclose(features, exact, atol=1e-5)


@needs_bf16
def test_precisions_do_not_share_what_was_compiled(cache: Path) -> None:
    network = kept()
    exact = OpenVinoEngine(network, precision="fp32").run(images(2))
    for _ in range(2):
        reduced = OpenVinoEngine(network, precision="bf16").run(images(2))
        assert not np.array_equal(reduced, exact)
        np.testing.assert_array_equal(OpenVinoEngine(network, precision="fp32").run(images(2)), exact)


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


def replace_by_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "facts.json").write_text("[]")


@pytest.mark.parametrize("harm", [truncate, overwrite, remove, garble, exchange, replace_by_file])
def test_what_is_broken_is_made_again(cache: Path, harm: Any) -> None:
    kept()
    harm(folder_of(cache))
    again = OpenVinoEngine(kept(), precision="fp32").run(images(2))
    exact = TorchEngine(tiny_network(), device="cpu", precision="fp32").run(images(2))
    np.testing.assert_allclose(again, exact, atol=1e-5)
    assert found().folder == folder_of(cache)


@pytest.mark.parametrize("harm", [lambda data: data[: len(data) // 2], lambda data: bytes(len(data)), lambda _: b""])
def test_a_broken_compiled_network_is_compiled_again(cache: Path, harm: Any) -> None:
    network = kept()
    exact = OpenVinoEngine(network, precision="fp32").run(images(2))
    (blob,) = folder_of(cache).glob("compiled-fp32/*")
    data = blob.read_bytes()
    blob.chmod(0o600)
    blob.write_bytes(harm(data))
    features = OpenVinoEngine(network, precision="fp32").run(images(2))
    np.testing.assert_allclose(features, exact, atol=1e-5)


def test_without_a_place_for_it_the_network_runs_from_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RETRIEVAL_CACHE_DIR", str(tmp_path / "file"))
    network = kept()
    assert network.folder is None
    assert OpenVinoEngine(network).run(images(1)).shape == (1, 32)


def test_other_versions_go_at_once_and_other_networks_in_the_end(cache: Path) -> None:
    older = cache / f"{'0' * 64}-0-2020.1"
    older.mkdir(parents=True)
    for number in range(network_cache.KEPT + 2):
        kept(sha256=f"{number:064}")
    assert not older.exists()
    assert len(list(cache.iterdir())) == network_cache.KEPT
    found(f"{number:064}")


# Nothing is told.

SCRIPT = """
import sys
from retrieval.engines.openvino.without_telemetry import openvino
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
    model = openvino.Model([features_node(normalised, network).output(0)], [normalised], "normalised")
    for hint, distance, least in (("f32", 1e-4, 0.999999), ("bf16", None, 0.9995)):
        if hint == "bf16" and "bf16" not in precisions():
            continue
        compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": hint})
        (features,) = compiled(batch).values()
        logits = Head.of(network).logits(features)
        assert cosine(features, expected["embedding"]).min() >= least
        if distance:
            assert np.abs(features - expected["embedding"]).max() < distance
            assert np.abs(logits - expected["logits"]).max() < distance


@pytest.mark.shared
@pytest.mark.parametrize("precision", precisions())
def test_a_real_networks_embedding_is_torchs(shared: Path, precision: str) -> None:
    network = checkpoint.load(shared / "checkpoints" / "vit_t16_imagenet1k.pt")
    batch = np.repeat(np.repeat(images(2, 28, 28), 8, axis=1), 8, axis=2)
    exact = TorchEngine(network, device="cpu", precision="fp32").run(batch)
    features = engine(network, precision).run(batch)
    assert cosine(exact, features).min() >= (0.9999999 if precision == "fp32" else 0.998)
