import pytest
import torch
from tiny import tiny_network

from retrieval.training.optimiser import Average, Optimiser, OptimiserSettings, is_hidden_matrix, orthogonal
from retrieval.training.student import random_student, student_config

CONFIG = student_config(tiny_network(registers=0).config, registers=4, image_size=32)


@pytest.mark.parametrize("shape", [(3, 24, 64), (2, 64, 24), (1, 16, 16)])
def test_orthogonal_moves_all_singular_values_to_about_one(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    found = orthogonal(matrices)
    assert found.shape == matrices.shape
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.3 and values.max() < 1.4
    assert ((found * matrices).sum(dim=(1, 2)) > 0).all()


def test_hidden_matrices_are_those_of_the_blocks():
    student = random_student(CONFIG, 0)
    hidden = {name for name, p in student.named_parameters() if is_hidden_matrix(name, p)}
    expected = {"attn.qkv", "attn.proj", "mlp.0", "mlp.3"}
    assert hidden == {f"encoder.block.{block}.{name}.weight" for block in range(CONFIG.blocks) for name in expected}


def test_steps_lower_a_loss_and_move_every_parameter():
    student, images = random_student(CONFIG, 0), torch.randn((8, 3, 32, 32), generator=torch.Generator().manual_seed(2))
    before = {name: value.clone() for name, value in student.state_dict().items()}
    optimiser = Optimiser(student, OptimiserSettings())
    losses = []
    for _ in range(30):
        features, logits = student(images)
        loss = (features - 1).square().mean() + (logits - 2).square().mean()
        losses.append(loss.item())
        optimiser.step(loss, 0.01)
    assert losses[-1] < 0.3 * losses[0]
    assert [name for name, value in student.state_dict().items() if torch.equal(value, before[name])] == []


def test_a_rate_of_nothing_changes_nothing():
    student = random_student(CONFIG, 0)
    before = {name: value.clone() for name, value in student.state_dict().items()}
    features, logits = student(torch.ones((2, 3, 32, 32)))
    length = Optimiser(student, OptimiserSettings()).step(features.square().sum() + logits.square().sum(), 0.0)
    assert length > 0
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())


def test_memory_goes_from_one_optimiser_to_the_next():
    student = random_student(CONFIG, 0)
    optimiser = Optimiser(student, OptimiserSettings())
    assert optimiser.memory() == {}
    features, logits = student(torch.ones((2, 3, 32, 32)))
    optimiser.step(features.square().sum() + logits.square().sum(), 0.001)
    memory = {name: value.clone() for name, value in optimiser.memory().items()}
    assert "pos_embedding" in memory and "encoder.block.0.attn.qkv.weight" not in memory
    other = Optimiser(student, OptimiserSettings())
    other.remember(memory, step=1)
    assert all(torch.equal(value, memory[name]) for name, value in other.memory().items())


def test_an_average_moves_towards_the_weights_of_now():
    average = Average({"a": torch.zeros(3)})
    average.update({"a": torch.ones(3)}, 0.75)
    assert average.weights["a"].tolist() == [0.25] * 3
    average.update({"a": torch.ones(3)}, 0.0)
    assert average.weights["a"].tolist() == [1.0] * 3
