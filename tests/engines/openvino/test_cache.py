"""Networks kept between runs: used without the checkpoint, and made again where they are broken."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny import tiny_network

from retrieval.engines.torch.engine import TorchEngine
from retrieval.models.checkpoint import Checkpoint
from retrieval.models.lazy_checkpoint import LazyCheckpoint
from retrieval.models.zoo import Weights

pytest.importorskip(
    "retrieval.engines.openvino.engine", exc_type=ImportError
)  # not the library itself: it would report it

from retrieval.engines.openvino import cache as network_cache
from retrieval.engines.openvino.cache import Converted, converted
from retrieval.engines.openvino.engine import OpenVinoEngine, precisions
from retrieval.engines.openvino.without_telemetry import openvino

needs_bf16 = pytest.mark.skipif("bf16" not in precisions(), reason="this processor does not compute in bf16")


def images(n: int, height: int = 32, width: int = 32) -> NDArray[np.uint8]:
    return np.random.default_rng(2).integers(0, 256, (n, height, width, 3), np.uint8)


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
