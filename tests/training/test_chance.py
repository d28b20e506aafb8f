import pytest
import torch
from views import CPU, chance

from retrieval.training.chance import Chance


def draws(given: Chance) -> list[torch.Tensor]:
    return [
        given.uniform((4,)), given.normal((3,)), given.integers((5,), 1000), given.order(9),
        given.some(50, 0.3), torch.tensor(given.choose((0, 1))),
    ]  # fmt: skip


def test_a_step_draws_the_same_whatever_was_drawn_before():
    first = draws(chance(3, 7))
    draws(chance(3, 6))
    assert all(torch.equal(one, other) for one, other in zip(first, draws(chance(3, 7)), strict=True))


@pytest.mark.parametrize(("seed", "step"), [(3, 8), (4, 7), (2, 7)])
def test_other_seeds_and_steps_draw_others(seed, step):
    pairs = zip(draws(chance(3, 7)), draws(chance(seed, step)), strict=True)
    assert not any(one.shape == other.shape and torch.equal(one, other) for one, other in pairs)


def test_ranges_are_kept():
    given = chance()
    even = given.uniform((5_000,), (2.0, 3.0))
    assert even.min() >= 2 and even.max() <= 3 and even.mean() == pytest.approx(2.5, abs=0.05)
    by_logarithm = given.log_uniform((5_000,), (1.0, 100.0))
    assert by_logarithm.min() >= 1 and by_logarithm.max() <= 100.001
    assert (by_logarithm < 10).float().mean() == pytest.approx(0.5, abs=0.05)
    assert sorted(given.order(20).tolist()) == list(range(20))


def test_a_share_is_kept_on_average_also_of_few():
    counts = [len(Chance(CPU, 0, step).some(3, 0.1)) for step in range(2_000)]
    assert sum(counts) / len(counts) == pytest.approx(0.3, abs=0.05)
    assert len(chance().some(10, 1.0)) == 10
    assert len(chance().some(10, 0.0)) == 0
