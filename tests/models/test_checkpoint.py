"""Checkpoints: what is read, in every spelling and container, and what is refused, with the reason."""

import os
import pickle
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from tiny import tiny_checkpoint, tiny_network
from torch import Tensor, nn

from retrieval.errors import CheckpointError
from retrieval.models import checkpoint
from retrieval.models.checkpoint import Checkpoint
from retrieval.models.head import Head
from retrieval.models.transform import InputTransform

Contents = dict[str, Any]
LEGACY = {
    ".norm1.": ".ln1.",
    ".norm2.": ".ln2.",
    ".attn.qkv.": ".self_attention.in_proj_",
    ".attn.proj.": ".self_attention.out_proj.",
}


def legacy_spelling(state: dict[str, Tensor]) -> dict[str, Tensor]:
    def old(name: str) -> str:
        for modern, legacy in LEGACY.items():
            name = name.replace(modern, legacy)
        return name

    return {old(name): tensor for name, tensor in state.items()}


def contents(network: Checkpoint | None = None, **changes: Any) -> Contents:
    """What a `.pt` file of the family holds; `changes` replace parts, None removes them."""
    network = network or tiny_network()
    made: Contents = {
        "state": dict(network.state),
        "birder_version": "v0.8.4",
        "task": "image_classification",
        "signature": {
            "inputs": [{"data_shape": [0, 3, *network.config.image_size]}],
            "outputs": [{"data_shape": [0, network.config.classes]}],
        },
        "class_to_idx": {label: index for index, label in enumerate(network.labels)},
        "rgb_stats": {"mean": network.transform.mean, "std": network.transform.std},
        "config": {"num_heads": network.config.heads},
    }
    return {key: value for key, value in (made | changes).items() if value is not None}


def written(folder: Path, what: object, name: str = "network.pt") -> Path:
    torch.save(what, folder / name)
    return folder / name


def assert_same(loaded: Checkpoint, expected: Checkpoint) -> None:
    assert (loaded.config, loaded.labels, loaded.transform) == (expected.config, expected.labels, expected.transform)
    assert loaded.state.keys() == expected.state.keys()
    for name, tensor in expected.state.items():
        assert loaded.state[name].dtype == torch.float32
        assert torch.equal(loaded.state[name], tensor), name


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


def test_the_legacy_spelling_is_read(tmp_path: Path) -> None:
    network = tiny_network()
    old = legacy_spelling(network.state)
    assert "encoder.block.1.self_attention.in_proj_weight" in old
    assert_same(checkpoint.load(written(tmp_path, contents(state=old))), network)


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


@pytest.mark.parametrize("signature", [None, {"inputs": [{"data_shape": [0, 3, 32, 32]}]}])
def test_what_the_shapes_tell_need_not_be_stated(tmp_path: Path, signature: object) -> None:
    assert checkpoint.load(written(tmp_path, contents(signature=signature))).config.image_size == (32, 32)


@pytest.mark.parametrize(("width", "heads"), [(128, 2), (192, 3), (896, 16)])
def test_the_width_tells_the_number_of_heads(tmp_path: Path, width: int, heads: int) -> None:
    network = tiny_network(width=width, heads=heads)
    assert_same(checkpoint.load(written(tmp_path, contents(network, config=None))), network)


def test_a_width_that_does_not_tell_the_number_of_heads_is_refused(tmp_path: Path) -> None:
    assert "width of 32 does not tell the number of attention heads" in refusal(
        written(tmp_path, contents(config=None))
    )


def test_options_that_change_nothing_are_no_obstacle(tmp_path: Path) -> None:
    options = {"num_heads": 2, "drop_path_rate": 0.1, "qk_norm": False, "mlp_dim": 64, "act_layer_type": "gelu"}
    assert_same(checkpoint.load(written(tmp_path, contents(config=options))), tiny_network())


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


def refusal(path: Path) -> str:
    """Why a file is refused: one line that names the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CheckpointError) as caught:
            checkpoint.load(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


# Files that are broken, or something else.


@pytest.mark.parametrize("name", ["network.pt", "network.safetensors"])
@pytest.mark.parametrize("kept", [1, 7, 40, 1000, 0.5, 0.99, -1])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str, kept: float) -> None:
    checkpoint.save(tmp_path / "network.safetensors", tiny_network())
    data = written(tmp_path, contents()).read_bytes() if name.endswith("pt") else (tmp_path / name).read_bytes()
    size = int(len(data) * kept) if 0 < kept < 1 else int(kept) % len(data)
    (tmp_path / name).write_bytes(data[:size])
    assert re.search("truncated|damaged|not a checkpoint", refusal(tmp_path / name))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"hello", "is not a checkpoint"),
        (bytes(5000), "is not a checkpoint"),
        (b"\n<!DOCTYPE html><html>Not Found</html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:78db\nsize 331000000\n", "Git LFS pointer"),
        (pickle.dumps([1, 2, 3], protocol=2), "not a checkpoint"),
        (pickle.dumps(["x" * 500])[:300], "damaged"),
        (b"\x10" + bytes(7) + b"{ no JSON here }", "truncated or damaged"),
    ],
)
def test_a_file_that_is_something_else_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "network.pt").write_bytes(data)
    assert reason in refusal(tmp_path / "network.pt")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "network.pt")
    assert "folder" in refusal(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs a file it may not read")
def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = tiny_checkpoint(tmp_path / "network.safetensors")
    path.chmod(0)
    assert "cannot be read" in refusal(path)


class Payload:
    """What an attacker would pickle: unpickling it creates the marker file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., None], tuple[object, ...]]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_file_is_never_run(tmp_path: Path, zipped: bool) -> None:
    marker, path = tmp_path / "code was run", tmp_path / "network.pt"
    torch.save(contents(training=Payload(marker)), path, _use_new_zipfile_serialization=zipped)
    message = refusal(path)
    assert not marker.exists()
    assert "carries code" in message
    assert "mkdir" in message
    assert "not run" in message
    torch.load(path, weights_only=False)  # the file does what the test says it would
    assert marker.is_dir()


def test_a_whole_pickled_network_is_refused(tmp_path: Path) -> None:
    assert "carries code (torch.nn.modules.linear.Linear)" in refusal(written(tmp_path, nn.Linear(2, 2)))


@pytest.mark.filterwarnings("ignore")  # torch.jit is deprecated, its files are not gone
def test_a_torchscript_program_is_refused(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), tmp_path / "network.pt")
    assert "TorchScript" in refusal(tmp_path / "network.pt")


@pytest.mark.parametrize("what", [{"a": torch.zeros(2)}, {"state": 3}, {"state": {"a": 1}}, [torch.zeros(2)], None])
def test_torch_files_of_other_things_are_refused(tmp_path: Path, what: object) -> None:
    assert "not a checkpoint of the birder family" in refusal(written(tmp_path, what))


def test_safetensors_without_metadata_are_refused(tmp_path: Path) -> None:
    safetensors.torch.save_file(tiny_network().state, tmp_path / "bare.safetensors")
    assert "does not tell the number of attention heads" in refusal(tmp_path / "bare.safetensors")


def test_broken_metadata_is_refused(tmp_path: Path) -> None:
    safetensors.torch.save_file(tiny_network().state, tmp_path / "a.safetensors", {"class_to_idx": '{"Hoopoe": '})
    assert "'class_to_idx' is not JSON" in refusal(tmp_path / "a.safetensors")


# Networks that are whole, but not of this kind.


@pytest.mark.parametrize(
    "layer",
    [
        "encoder.block.0.layer_scale_1.weight",
        "encoder.block.1.attn.q_norm.weight",
        "encoder.block.0.mlp.fc1_g.weight",
        "encoder.pre_block.0.weight",
        "attn_pool.probe",
        "embedding_norm.weight",
        "conv_proj.0.weight",
        "dist_token",
        "encoder.rope.frequencies",
    ],
)
def test_layers_that_the_network_lacks_are_named(tmp_path: Path, layer: str) -> None:
    state = tiny_network().state | {layer: torch.ones(32)}
    assert f"layers that a plain ViT does not have: {layer}" in refusal(written(tmp_path, contents(state=state)))


def test_names_of_layers_cannot_disturb_a_terminal(tmp_path: Path) -> None:
    state = tiny_network().state | {"\x1b[2J\nlayer": torch.ones(1)}
    assert r"\x1b[2J\nlayer" in refusal(written(tmp_path, contents(state=state)))


@pytest.mark.parametrize("seed", range(40))
def test_bytes_that_changed_are_refused_or_harmless(tmp_path: Path, seed: int) -> None:
    """Whatever a bad disk makes of a file, the only error is CheckpointError."""
    random = np.random.default_rng(seed)
    data = bytearray(written(tmp_path, contents()).read_bytes())
    for position in random.integers(0, len(data) if seed % 2 else 4000, 10):
        data[position] = random.integers(256)
    (tmp_path / "network.pt").write_bytes(data)
    try:
        assert checkpoint.load(tmp_path / "network.pt").network().config.width == 32
    except CheckpointError as error:
        assert "network.pt" in str(error)


def test_many_foreign_layers_are_counted(tmp_path: Path) -> None:
    state = tiny_network().state | {f"extra.{i}": torch.ones(1) for i in range(9)}
    assert "extra.0, extra.1, extra.2 and 6 more" in refusal(written(tmp_path, contents(state=state)))


@pytest.mark.parametrize(
    "layer",
    [
        "conv_proj.weight",
        "conv_proj.bias",
        "pos_embedding",
        "norm.bias",
        "encoder.block.1.attn.qkv.bias",
        "encoder.block.0.mlp.0.weight",
        "classifier.bias",
    ],
)
def test_missing_layers_are_named(tmp_path: Path, layer: str) -> None:
    state = {name: tensor for name, tensor in tiny_network().state.items() if name != layer}
    assert layer in refusal(written(tmp_path, contents(state=state)))


def test_a_missing_block_is_refused(tmp_path: Path) -> None:
    state = {name.replace("block.1.", "block.7."): tensor for name, tensor in tiny_network().state.items()}
    assert "lacks layers of a plain ViT: encoder.block.1" in refusal(written(tmp_path, contents(state=state)))


def test_layers_in_both_spellings_are_refused(tmp_path: Path) -> None:
    state = tiny_network().state
    both = contents(state=state | legacy_spelling(state))
    assert "twice, in the old and the new spelling" in refusal(written(tmp_path, both))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        ("encoder.block.0.attn.qkv.weight", (64, 32)),
        ("encoder.block.1.mlp.3.weight", (32, 63)),
        ("class_token", (1, 1, 31)),
        ("reg_tokens", (1, 4, 33)),
        ("norm.weight", (31,)),
        ("conv_proj.weight", (32, 3, 16, 8)),
        ("conv_proj.weight", (32, 1, 16, 16)),
        ("conv_proj.weight", (32, 3, 8, 8)),
        ("conv_proj.weight", (32, 768)),
        ("pos_embedding", (1, 10, 32)),
        ("pos_embedding", (1, 4, 32)),
        ("pos_embedding", (9, 32)),
        ("classifier.weight", (4, 32)),
        ("classifier.weight", (0, 32)),
    ],
)
def test_shapes_that_do_not_fit_together_are_refused(tmp_path: Path, layer: str, shape: tuple[int, ...]) -> None:
    state = tiny_network().state | {layer: torch.ones(shape)}
    message = refusal(written(tmp_path, contents(state=state)))
    assert re.search("shape|patch|classes", message), message


@pytest.mark.parametrize("signature", [{}, {"inputs": []}, {"inputs": [{"data_shape": [0, 4, 32, 32]}]}, "32x32", 7])
def test_an_input_size_that_cannot_be_read_is_refused(tmp_path: Path, signature: object) -> None:
    assert "does not state an RGB input size" in refusal(written(tmp_path, contents(signature=signature)))


@pytest.mark.parametrize(("height", "width"), [(32, 48), (40, 32), (0, 0)])
def test_a_position_table_of_another_input_size_is_refused(tmp_path: Path, height: int, width: int) -> None:
    signature = {"inputs": [{"data_shape": [0, 3, height, width]}]}
    assert re.search("position table|does not divide", refusal(written(tmp_path, contents(signature=signature))))


def test_an_input_of_unknown_proportions_is_refused(tmp_path: Path) -> None:
    wide = contents(tiny_network(image_size=(32, 48)), signature=None)
    assert "6 patches are not a square" in refusal(written(tmp_path, wide))


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


@pytest.mark.parametrize(
    "option",
    [
        {"act_layer_type": "quick_gelu"},
        {"norm_layer_eps": 1e-5},
        {"num_layers": 3},
        {"class_token": False},
        {"pos_embed_special_tokens": False},
        {"rope_theta": 100.0},
    ],
    ids=str,
)
def test_options_of_another_network_are_refused(tmp_path: Path, option: dict[str, object]) -> None:
    message = refusal(written(tmp_path, contents(config={"num_heads": 2} | option)))
    assert f"its option {next(iter(option))} = " in message


@pytest.mark.parametrize("heads", [3, 0, "2", None])
def test_heads_that_do_not_divide_the_width_are_refused(tmp_path: Path, heads: object) -> None:
    assert "attention heads" in refusal(written(tmp_path, contents(config={"num_heads": heads})))


@pytest.mark.parametrize("network", ["rope_vit_reg4_b14_capi", "naflex_vit_b16", "simple_vit_s16", "vit_windowed_b16"])
def test_networks_that_only_their_name_tells_apart_are_refused(tmp_path: Path, network: str) -> None:
    assert "another kind of network" in refusal(written(tmp_path, contents(), f"{network}.pt"))


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
