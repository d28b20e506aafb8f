"""The calibrated network of an index: its files are checked, and never used when they have changed."""

import json
from pathlib import Path

import numpy as np
import pytest
from photos import scene
from tiny import tiny_network

from retrieval.errors import IndexFormatError, ModelError, Remedy

pytest.importorskip(
    "retrieval.engines.openvino.engine", exc_type=ImportError
)  # not the library itself: it would report it

from retrieval.engines.openvino import calibrated
from retrieval.engines.openvino.calibrated import FACTS_NAME, GRAPH_NAMES, CalibratedNetwork
from retrieval.engines.openvino.engine import OpenVinoEngine
from retrieval.engines.openvino.int8 import quantise


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    return np.stack([np.asarray(scene(seed, (32, 32))) for seed in range(20)])


@pytest.fixture
def network(tmp_path: Path, photos: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> CalibratedNetwork:
    """A calibrated network, written as an index keeps it."""
    monkeypatch.setenv("RETRIEVAL_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "index").mkdir()
    return calibrated.write(tmp_path / "index", quantise(tiny_network(), photos), "c" * 64)


def test_what_is_written_answers_as_it_did_in_memory(network: CalibratedNetwork, photos: np.ndarray) -> None:
    expected = OpenVinoEngine(quantise(tiny_network(), photos), precision="int8").run(photos)
    for _ in range(2):  # the second start comes from what OpenVINO has kept
        engine = calibrated.start(network)
        np.testing.assert_array_equal(engine.run(photos), expected)
        assert engine.precision == "int8"
        assert engine.transform == tiny_network().transform
    assert sorted(path.name for path in network.folder.iterdir()) == sorted((FACTS_NAME, *GRAPH_NAMES))
    assert network.facts()["weights_sha256"] == "c" * 64


@pytest.mark.parametrize("name", [FACTS_NAME, *GRAPH_NAMES])
@pytest.mark.parametrize("harm", ["change", "remove", "empty"])
def test_a_file_that_is_not_as_it_was_written_is_refused(network: CalibratedNetwork, name: str, harm: str) -> None:
    path = network.folder / name
    data = bytearray(path.read_bytes())
    if harm == "remove":
        path.unlink()
    else:
        data[len(data) // 2] ^= 1
        path.write_bytes(data if harm == "change" else b"")
    with pytest.raises(IndexFormatError, match=name) as caught:
        calibrated.start(network)
    assert caught.value.remedy is Remedy.RESTORE_NETWORK


def test_facts_of_another_network_are_refused(network: CalibratedNetwork) -> None:
    facts = json.loads((network.folder / FACTS_NAME).read_text())
    (network.folder / FACTS_NAME).write_text(json.dumps({**facts, "weights_sha256": "d" * 64}))
    with pytest.raises(IndexFormatError, match="has changed"):
        network.facts()


@pytest.mark.parametrize(
    ("engine", "device", "remedy"),
    [("auto", "cuda", Remedy.CPU_OR_OTHER_PRECISION), ("torch", "cpu", Remedy.OTHER_PRECISION)],
)
def test_it_runs_through_openvino_on_the_cpu_alone(engine: str, device: str, remedy: Remedy) -> None:
    with pytest.raises(ModelError) as caught:
        calibrated.require(engine, device)
    assert caught.value.remedy is remedy


def test_where_a_gpu_is_faster_a_new_index_is_not_made_in_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrated, "default_device", lambda: "cuda")
    with pytest.raises(ModelError, match="the GPU here is faster"):
        calibrated.require("auto", "auto")
    calibrated.require("auto", "cpu")
