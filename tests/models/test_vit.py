"""The network's arithmetic: what must hold for any weights."""

import pytest
import torch
from tiny import tiny_network
from torch import Tensor

from retrieval.models.vit import VisionTransformer, resize_position_table


def images(n: int, height: int = 32, width: int = 32) -> Tensor:
    return torch.randn((n, 3, height, width), generator=torch.Generator().manual_seed(5))


@torch.inference_mode()
def answer(network: VisionTransformer, batch: Tensor) -> tuple[Tensor, Tensor]:
    features, logits = network(batch)
    return features, logits


@pytest.mark.parametrize("class_token", [True, False])
@pytest.mark.parametrize("registers", [0, 4])
@pytest.mark.parametrize("classes", [0, 5])
def test_gives_features_and_logits_of_the_stated_sizes(class_token: bool, registers: int, classes: int) -> None:
    checkpoint = tiny_network(class_token=class_token, registers=registers, classes=classes)
    features, logits = answer(checkpoint.network(), images(3))
    assert features.shape == (3, 32)
    assert logits.shape == (3, classes)
    assert features.isfinite().all()
    assert not torch.allclose(features[0], features[1])


def test_logits_are_the_classifier_on_the_features() -> None:
    checkpoint = tiny_network()
    features, logits = answer(checkpoint.network(), images(2))
    weight, bias = checkpoint.state["classifier.weight"], checkpoint.state["classifier.bias"]
    torch.testing.assert_close(logits, features @ weight.T + bias)


@pytest.mark.parametrize("class_token", [True, False])
def test_an_image_is_answered_alike_in_any_batch(class_token: bool) -> None:
    network = tiny_network(class_token=class_token).network()
    batch = images(5)
    together, _ = answer(network, batch)
    alone = torch.cat([answer(network, image[None])[0] for image in batch])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_without_positions_the_class_token_does_not_see_the_order_of_patches() -> None:
    checkpoint = tiny_network()
    checkpoint.state["pos_embedding"].zero_()
    network = checkpoint.network()
    batch = images(1)
    swapped = torch.cat([batch[..., 16:], batch[..., :16]], dim=-1)
    torch.testing.assert_close(answer(network, batch)[0], answer(network, swapped)[0], rtol=0, atol=1e-5)


def test_registers_come_first_then_the_class_token_then_the_patches_row_by_row() -> None:
    checkpoint = tiny_network(image_size=(32, 48))
    table = checkpoint.state["pos_embedding"]
    network = checkpoint.network()
    seen: list[Tensor] = []
    network.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    batch = images(1, 32, 48)
    answer(network, batch)
    tokens = seen[0][0] - table[0]
    torch.testing.assert_close(tokens[:4], checkpoint.state["reg_tokens"][0])
    torch.testing.assert_close(tokens[4], checkpoint.state["class_token"][0, 0])
    weight, bias = checkpoint.state["conv_proj.weight"].flatten(1), checkpoint.state["conv_proj.bias"]
    second_row_third_column = batch[0, :, 16:32, 32:48].flatten() @ weight.T + bias
    torch.testing.assert_close(tokens[5 + 1 * 3 + 2], second_row_third_column, rtol=0, atol=1e-5)


def test_mean_of_patches_stands_in_for_a_missing_class_token() -> None:
    network = tiny_network(class_token=False, registers=2).network()
    seen: list[Tensor] = []
    network.norm.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    features, _ = answer(network, images(2))
    torch.testing.assert_close(features, seen[0][:, 2:].mean(dim=1))


def test_a_position_table_of_the_same_grid_is_left_alone() -> None:
    table = torch.randn(1, 5 + 6, 8)
    assert resize_position_table(table, 5, (2, 3), (2, 3)) is table


@pytest.mark.parametrize("new", [(4, 6), (3, 2), (1, 1), (2, 9)])
def test_special_tokens_keep_their_positions_in_another_grid(new: tuple[int, int]) -> None:
    table = torch.randn(1, 5 + 6, 8, generator=torch.Generator().manual_seed(1))
    resized = resize_position_table(table, 5, (2, 3), new)
    assert resized.shape == (1, 5 + new[0] * new[1], 8)
    assert torch.equal(resized[:, :5], table[:, :5])


def test_equal_positions_stay_equal_in_another_grid() -> None:
    table = torch.full((1, 1 + 16, 3), 0.7)
    torch.testing.assert_close(resize_position_table(table, 1, (4, 4), (7, 5)), torch.full((1, 1 + 35, 3), 0.7))


def test_rows_and_columns_of_positions_are_not_mixed_up() -> None:
    rows = torch.arange(4.0).repeat_interleave(4)  # grows downwards only
    resized = resize_position_table(rows.view(1, 16, 1), 0, (4, 4), (8, 6)).view(8, 6)
    torch.testing.assert_close(resized, resized[:, :1].expand(8, 6))
    assert (resized.diff(dim=0) > 0).all()


def test_resizing_forth_and_back_keeps_smooth_positions() -> None:
    ramp = torch.linspace(-1, 1, 14)
    table = torch.stack(torch.meshgrid(ramp, ramp, indexing="ij"), dim=-1).reshape(1, 196, 2)
    back = resize_position_table(resize_position_table(table, 0, (14, 14), (24, 24)), 0, (24, 24), (14, 14))
    assert (back - table).abs().max() < 0.02


@pytest.mark.parametrize("registers", [0, 4])
def test_the_last_block_computes_the_class_token_as_it_would_among_all_tokens(registers: int) -> None:
    network = tiny_network(registers=registers).network()
    batch = images(5)
    features, logits = answer(network, batch)
    with torch.inference_mode():
        every = network.norm(network.encoder(network.stem(batch)))[:, registers]
    torch.testing.assert_close(features, every, rtol=0, atol=1e-5)
    torch.testing.assert_close(logits, network.classifier(every), rtol=0, atol=1e-5)
