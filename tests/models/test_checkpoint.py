"""Checkpoints: what is read, in every spelling and container, and what is refused, with the reason."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoint_files import assert_same, contents, refusal, written
from tiny import tiny_checkpoint, tiny_network
from torch import nn

from retrieval.errors import CheckpointError
from retrieval.models import checkpoint
from retrieval.models.head import Head
from retrieval.models.transform import InputTransform


@pytest.mark.parametrize(
    "changes", [{}, {"classes": 0}, {"registers": 0}, {"class_token": False}, {"image_size": (48, 32)}], ids=str
)
def test_a_saved_checkpoint_is_read_back(tmp_path: Path, changes: dict[str, Any]) -> None:
    network = tiny_network(**changes)
    checkpoint.save(tmp_path / "network.safetensors", network)
    assert_same(checkpoint.load(tmp_path / "network.safetensors"), network)


@pytest.mark.parametrize("changes", [{}, {"classes": 0}, {"registers": 0}, {"class_token": False}], ids=str)
def test_torch_files_are_read(tmp_path: Path, changes: dict[str, Any]) -> None:
    network = tiny_network(**changes)
    assert_same(checkpoint.load(written(tmp_path, contents(network))), network)


def test_torch_files_from_before_zip_containers_are_read(tmp_path: Path) -> None:
    torch.save(contents(), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert_same(checkpoint.load(tmp_path / "old.pt"), tiny_network())


def test_the_container_is_known_by_its_bytes_not_by_its_name(tmp_path: Path) -> None:
    shutil.move(tiny_checkpoint(tmp_path / "a.safetensors"), tmp_path / "a.pt")
    assert_same(checkpoint.load(tmp_path / "a.pt"), tiny_network())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_precisions_become_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    stored = {name: tensor.to(dtype) for name, tensor in tiny_network().state.items()}
    loaded = checkpoint.load(written(tmp_path, contents(state=stored)))
    for name, tensor in loaded.state.items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, stored[name].float())


def test_metadata_of_other_versions_is_no_obstacle(tmp_path: Path) -> None:
    newer = contents(training={"epochs": 3}, calibration=[0.1], birder_version="v9", backbone_config={})
    assert_same(checkpoint.load(written(tmp_path, newer)), tiny_network())


def test_the_network_shares_the_weights_and_needs_no_gradient() -> None:
    loaded = tiny_network()
    network = loaded.network()
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert network.norm.weight.data_ptr() == loaded.state["norm.weight"].data_ptr()


def test_another_input_size_changes_the_position_table_alone(tmp_path: Path) -> None:
    path = tiny_checkpoint(tmp_path / "network.safetensors")
    own, other = checkpoint.load(path), checkpoint.load(path).resized((64, 48))
    assert other.transform == InputTransform(64, 48, own.transform.mean, own.transform.std)
    assert other.config.image_size == (64, 48)
    assert other.state["pos_embedding"].shape == (1, 5 + 12, 32)
    for name in own.state.keys() - {"pos_embedding"}:
        assert torch.equal(own.state[name], other.state[name])
    features, _ = other.network()(torch.zeros(1, 3, 64, 48))
    assert features.shape == (1, 32)


@pytest.mark.parametrize("size", [(0, 32), (32, 40), (-16, 32)])
def test_an_input_size_that_patches_do_not_fill_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tiny_checkpoint(tmp_path / "network.safetensors")
    with pytest.raises(CheckpointError, match=r"does not divide into .* patches of 16x16: choose a multiple of 16"):
        checkpoint.load(path).resized(size)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (None, "not as many"),
        ({"Hoopoe": 0}, "not as many"),
        ({f"species {i}": i + 1 for i in range(5)}, "not numbered from 0 to 4"),
        ({f"species {i}": i // 2 for i in range(5)}, "not numbered from 0 to 4"),
        ({f"species {i}": str(i) for i in range(5)}, "not numbered from 0 to 4"),
        (["a", "b", "c", "d", "e"], "not as many"),
    ],
)
def test_labels_that_do_not_fit_the_head_are_refused(tmp_path: Path, labels: object, reason: str) -> None:
    assert reason in refusal(written(tmp_path, contents(class_to_idx=labels)))


def test_a_signature_of_another_head_is_refused(tmp_path: Path) -> None:
    signature = {"inputs": [{"data_shape": [0, 3, 32, 32]}], "outputs": [{"data_shape": [0, 735]}]}
    assert "states 735 classes, but its head has 5" in refusal(written(tmp_path, contents(signature=signature)))


@pytest.mark.parametrize(
    "stats",
    [
        None,
        {"mean": [0.5, 0.5, 0.5]},
        {"mean": [0.5], "std": [0.2]},
        {"mean": [0.5] * 3, "std": [0.2, 0.0, 0.2]},
        {"mean": [0.5] * 3, "std": [0.2, float("nan"), 0.2]},
        {"mean": ["a", "b", "c"], "std": [0.2] * 3},
    ],
)
def test_an_input_transform_that_cannot_be_known_is_refused(tmp_path: Path, stats: object) -> None:
    assert "mean and deviation" in refusal(written(tmp_path, contents(rgb_stats=stats)))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    state = tiny_network().state
    state["encoder.block.1.mlp.0.weight"][3, 4] = value
    message = refusal(written(tmp_path, contents(state=state)))
    assert "'encoder.block.1.mlp.0.weight' holds numbers that are not finite" in message


def test_weights_whose_sum_alone_overflows_are_read(tmp_path: Path) -> None:
    state = tiny_network().state | {"norm.weight": torch.full((32,), 3e38)}
    loaded = checkpoint.load(written(tmp_path, contents(state=state)))
    assert torch.equal(loaded.state["norm.weight"], state["norm.weight"])


def test_quantised_weights_are_refused(tmp_path: Path) -> None:
    state = tiny_network().state | {"norm.weight": torch.ones(32, dtype=torch.int8)}
    assert "quantised" in refusal(written(tmp_path, contents(state=state)))


# The real thing.


@pytest.mark.shared
@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("vit_reg4_tiny.pt", "vit_reg4_tiny"),
        ("vit_reg4_tiny.safetensors", "vit_reg4_tiny"),
        ("vitreg4_tiny_legacy.pt", "vitreg4_tiny_legacy"),
        ("vit_t16_imagenet1k.pt", "vit_t16_imagenet1k"),
    ],
)
def test_published_formats_answer_as_the_original_library(shared: Path, file: str, expected: str) -> None:
    folder = shared / "checkpoints"
    loaded = checkpoint.load(folder / file)
    answers = np.load(folder / f"{expected}.expected.npz")
    if "x" in answers:
        images = torch.from_numpy(answers["x"])
    else:
        generator = torch.Generator().manual_seed(int(answers["seed"]))
        images = torch.randn(tuple(answers["shape"]), generator=generator)
    with torch.inference_mode():
        features = loaded.network().features(images).numpy()
    assert np.abs(features - answers["embedding"]).max() < 1e-4
    assert np.abs(Head.of(loaded).logits(features) - answers["logits"]).max() < 1e-4


@pytest.mark.shared
def test_labels_and_transform_of_a_real_checkpoint(shared: Path) -> None:
    loaded = checkpoint.load(shared / "checkpoints" / "vit_t16_imagenet1k.pt")
    assert len(loaded.labels) == 1000
    assert loaded.labels[0].startswith("tench")
    assert loaded.transform == InputTransform(224, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert (loaded.config.heads, loaded.config.registers, loaded.config.blocks) == (3, 0, 12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "size", "resized"),
    [("vit_reg4_b16", 384, None), ("vit_reg4_b16", 256, 384), ("vit_reg4_m16", 224, 160), ("vit_s16_avg", 224, 320)],
)
@pytest.mark.filterwarnings("default")
def test_full_size_networks_answer_as_the_original_library(
    tmp_path: Path, network: str, size: int, resized: int | None
) -> None:
    pytest.importorskip("birder", reason="needs birder, the original library (pip install retrieval[dev])")
    from birder.model_registry import registry

    torch.manual_seed(3)
    original = registry.net_factory(network, 735, size=(size, size)).eval()
    for parameter in original.parameters():
        nn.init.normal_(parameter, std=0.04)
    labels = {f"species {index}": index for index in range(735)}
    signature = {"inputs": [{"data_shape": [0, 3, size, size]}], "outputs": [{"data_shape": [0, 735]}]}
    path = written(
        tmp_path,
        contents(state=original.state_dict(), class_to_idx=labels, signature=signature, config=None),
    )
    side = resized or size
    if resized is not None:
        original.adjust_size((side, side))
    ours = checkpoint.load(path).resized((side, side))
    with torch.inference_mode():
        images = torch.randn(2, 3, side, side)
        features = ours.network().features(images)
        logits = torch.from_numpy(Head.of(ours).logits(features.numpy()))
        expected = original.embedding(images)
        assert torch.cosine_similarity(features, expected).min() >= 0.99999
        assert torch.cosine_similarity(logits, original.classify(expected)).min() >= 0.99999
        torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-4)
