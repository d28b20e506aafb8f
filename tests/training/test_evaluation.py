import numpy as np
import pytest
import torch
from photos import scene
from tiny import tiny_network

from retrieval.errors import ArchiveError
from retrieval.training import bundle
from retrieval.training.evaluation import Evaluation

NETWORK = tiny_network().network()
TRANSFORM = tiny_network().transform
CPU = torch.device("cpu")


def birds(folder, species, noise=0):
    """Photos whose species is their picture, but for some noise."""
    generator = np.random.default_rng(0)
    for number, name in enumerate(species):
        for photo in range(4):
            pixels = np.asarray(scene(number, (48, 48))).astype(int)
            pixels = pixels + generator.integers(-noise, noise + 1, pixels.shape)
            path = folder / name / f"{photo}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            bundle.Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    return folder


def test_photos_that_look_alike_are_found(tmp_path):
    evaluation = Evaluation(birds(tmp_path, "abcde", noise=5), TRANSFORM, CPU)
    assert evaluation.accuracy(NETWORK) == 1


def test_noise_is_a_matter_of_luck(tmp_path):
    evaluation = Evaluation(birds(tmp_path, "abcde", noise=20_000), TRANSFORM, CPU)
    assert evaluation.accuracy(NETWORK) < 0.6


def test_identical_photos_do_not_count_as_their_own_neighbours(tmp_path):
    evaluation = Evaluation(birds(tmp_path, "ab"), TRANSFORM, CPU)
    assert evaluation.accuracy(NETWORK) == 1


def test_other_weights_can_stand_in(tmp_path):
    evaluation = Evaluation(birds(tmp_path, "abcde", noise=5), TRANSFORM, CPU)
    nothing = {name: torch.zeros_like(value) for name, value in NETWORK.state_dict().items()}
    assert evaluation.accuracy(NETWORK, nothing) < 1
    assert evaluation.accuracy(NETWORK, NETWORK.state_dict()) == 1


def test_a_bundle_serves_as_well_as_a_folder(tmp_path):
    bundle.pack([birds(tmp_path / "birds", "abc")], tmp_path / "birds.bundle", sift=False)
    evaluation = Evaluation(tmp_path / "birds.bundle", TRANSFORM, CPU)
    assert sorted(set(evaluation.species)) == ["a", "b", "c"]
    assert len(evaluation.species) == 12


def test_one_species_is_nothing_to_compare(tmp_path):
    with pytest.raises(ArchiveError, match="no subfolders"):
        Evaluation(birds(tmp_path, "a"), TRANSFORM, CPU)
