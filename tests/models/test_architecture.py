"""From tensors to the sizes of a network: what shapes, names and options tell, and networks of another kind."""

import re
from pathlib import Path

import pytest
import torch
from checkpoint_files import assert_same, contents, legacy_spelling, refusal, written
from tiny import tiny_network

from retrieval.models import checkpoint


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


def test_the_legacy_spelling_is_read(tmp_path: Path) -> None:
    network = tiny_network()
    old = legacy_spelling(network.state)
    assert "encoder.block.1.self_attention.in_proj_weight" in old
    assert_same(checkpoint.load(written(tmp_path, contents(state=old))), network)


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
