"""The species head by itself: the same logits as the network's, stable probabilities, safe files."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tiny import tiny_network

from retrieval.errors import CheckpointError
from retrieval.models.head import Head, most_probable

LABELS = ("Bee-eater", "Crab-plover", "Hoopoe", "Osprey")


def head() -> Head:
    return Head.of(tiny_network())


def features(n: int) -> np.ndarray:
    return np.random.default_rng(4).normal(size=(n, 32)).astype(np.float32)


def test_logits_are_the_networks_own() -> None:
    checkpoint = tiny_network()
    with torch.inference_mode():
        feature, logits = checkpoint.network()(torch.randn(3, 3, 32, 32))
    np.testing.assert_allclose(Head.of(checkpoint).logits(feature.numpy()), logits.numpy(), atol=1e-5)


def test_direction_times_norm_gives_the_same_predictions() -> None:
    full = features(6)
    norms = np.linalg.norm(full, axis=1, keepdims=True)
    for stored, original in zip(head().predict(full / norms * norms, 5), head().predict(full, 5), strict=True):
        assert [p.species for p in stored] == [p.species for p in original]
        assert [p.probability for p in stored] == pytest.approx([p.probability for p in original], abs=1e-5)


def test_predictions_are_the_most_probable_first() -> None:
    (best,) = most_probable(np.array([[0.0, 2.0, 1.0, -1.0]], np.float32), LABELS, 3)
    assert [p.species for p in best] == ["Crab-plover", "Hoopoe", "Bee-eater"]
    total = 1 + np.exp(2) + np.exp(1) + np.exp(-1)
    assert [p.probability for p in best] == pytest.approx([np.exp(2) / total, np.exp(1) / total, 1 / total])


def test_equal_probabilities_keep_the_order_of_labels() -> None:
    (best,) = most_probable(np.zeros((1, 4), np.float32), LABELS, 4)
    assert tuple(p.species for p in best) == LABELS
    assert {p.probability for p in best} == {0.25}


@given(arrays(np.float32, (3, 4), elements=st.floats(-(2.0**127), 2.0**127, width=32)))
def test_probabilities_sum_to_one_whatever_the_logits(logits: np.ndarray) -> None:
    for predicted in most_probable(logits, LABELS, 10):
        assert len(predicted) == 4
        assert sum(p.probability for p in predicted) == pytest.approx(1)
        assert all(a.probability >= b.probability for a, b in pairwise(predicted))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_predict_nothing(bad: float) -> None:
    logits = np.array([[0, 1, 2, 3], [0, bad, 2, 3]], np.float32)
    good, none = most_probable(logits, LABELS, 2)
    assert [p.species for p in good] == ["Osprey", "Hoopoe"]
    assert none == ()


@pytest.mark.parametrize("count", [0, -1])
def test_no_predictions_where_none_are_wanted(count: int) -> None:
    assert head().predict(features(2), count) == [(), ()]


def test_a_network_without_species_predicts_nothing(tmp_path: Path) -> None:
    empty = Head.of(tiny_network(classes=0))
    empty.save(tmp_path / "head.safetensors", weights_sha256="ab")
    for each in (empty, Head.load(tmp_path / "head.safetensors")):
        assert each.logits(features(2)).shape == (2, 0)
        assert each.predict(features(2), 5) == [(), ()]
    assert empty.predict(features(0), 5) == []


def test_a_saved_head_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "head.safetensors"
    labels = ("Rüppell's warbler", "Крачка", "bulbul\n🐦")
    weight, bias = features(3), np.arange(3, dtype=np.float32)
    Head(weight, bias, labels).save(path, weights_sha256="78db")
    loaded = Head.load(path, weights_sha256="78db")
    assert loaded.labels == labels
    np.testing.assert_array_equal(loaded.weight, weight)
    np.testing.assert_array_equal(loaded.bias, bias)
    assert [file.name for file in tmp_path.iterdir()] == ["head.safetensors"]


def test_a_head_of_other_weights_is_refused(tmp_path: Path) -> None:
    head().save(tmp_path / "head.safetensors", weights_sha256="78db")
    with pytest.raises(CheckpointError, match="belongs to other weights"):
        Head.load(tmp_path / "head.safetensors", weights_sha256="e011")


@pytest.mark.parametrize("kept", [0, 5, 100, -1])
def test_a_broken_head_is_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "head.safetensors"
    head().save(path, weights_sha256="78db")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"head\.safetensors is not a species head"):
        Head.load(path)


def test_a_missing_head_and_a_file_of_other_tensors_are_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    with pytest.raises(CheckpointError, match="is not a species head"):
        Head.load(tmp_path / "head.safetensors")
    save_file({"weight": np.zeros((2, 2), np.float32)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="is not a species head"):
        Head.load(tmp_path / "other.safetensors")


def test_labels_of_another_number_are_refused(tmp_path: Path) -> None:
    Head(features(3), np.zeros(3, np.float32), ("a", "b")).save(tmp_path / "head.safetensors", weights_sha256="x")
    with pytest.raises(CheckpointError, match="2 labels for 3 classes"):
        Head.load(tmp_path / "head.safetensors")


def test_a_stored_head_is_read_without_torch(tmp_path: Path) -> None:
    head().save(tmp_path / "head.safetensors", weights_sha256="78db")
    code = (
        "import sys, pathlib, numpy; from retrieval.models.head import Head\n"
        "head = Head.load(pathlib.Path(sys.argv[1])); head.predict(numpy.ones((1, 32), 'f4'), 2)\n"
        "print(sorted(sys.modules.keys() & {'torch', 'huggingface_hub', 'faiss', 'PIL'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "head.safetensors"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
