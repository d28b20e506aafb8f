import numpy as np
import torch

from retrieval.training.batches import Batches, BatchSettings
from retrieval.training.chance import Chance


def test_partners_are_of_the_same_species(pool):
    batches = Batches(pool, BatchSettings(size=16, paired=0.5))
    numbers = batches.numbers(Chance(torch.device("cpu"), 0, 0))
    species = pool.whole("logits").argmax(axis=1)[numbers]
    assert len(numbers) == 16 and np.array_equal(species[:4], species[12:])


def test_what_is_seen_are_images_of_the_size_asked_for(pool):
    seen = Batches(pool, BatchSettings(size=16, grey=1.0)).seen(
        pool.rows(range(16)).pixels, 24, Chance(torch.device("cpu"), 0, 0)
    )
    assert seen.shape == (16, 3, 24, 24) and seen.min() >= 0 and seen.max() <= 1
    assert torch.allclose(seen[:, 0], seen[:, 1])


def test_without_changes_the_views_are_seen_as_they_are(pool):
    quiet = BatchSettings(mirrored=0, grey=0, turned=0, edited=0, brightness=0)
    pixels = pool.rows(range(8)).pixels
    seen = Batches(pool, quiet).seen(pixels, 32, Chance(torch.device("cpu"), 0, 0))
    assert torch.equal((seen * 255).round().to(torch.uint8), torch.from_numpy(pixels))


def test_the_same_step_draws_the_same_views(pool):
    batches = Batches(pool, BatchSettings(size=8))
    first, again, other = (batches.numbers(Chance(torch.device("cpu"), 0, step)) for step in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()
