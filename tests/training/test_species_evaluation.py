import numpy as np
import pytest

from retrieval.training.species_evaluation import class_numbers, top_accuracy
from retrieval.training.teachers import Species, species_of


def test_folders_are_matched_to_common_names():
    species = (species_of("Cyanocitta cristata (Blue Jay)"), species_of("background"))
    assert species[0] == Species("Cyanocitta cristata", "Blue Jay") and species[1].scientific == ""
    assert class_numbers(["Blue_jay", "background", "Rook"], species).tolist() == [0, -1, -1]


def test_accuracy_leaves_out_unknown_species():
    logits = np.eye(6, dtype=np.float32)
    assert top_accuracy(logits, np.array([0, 0, -1, 2, -1, -1])) == pytest.approx((1 / 3, 1.0), abs=0.34)


def test_the_first_and_the_first_five_are_counted():
    logits = np.tile(np.arange(6, dtype=np.float32), (4, 1))  # class 5 first, class 0 last
    assert top_accuracy(logits, np.array([5, 4, 1, 0])) == (0.25, 0.75)


def test_photos_are_measured_by_neighbours_and_copies(pool, tmp_path, noisy):
    from distilling import distiller

    from retrieval.training.species_evaluation import SpeciesEvaluation

    for number in range(6):
        folder = tmp_path / ("Blue_Jay" if number % 2 else "Rook")
        folder.mkdir(exist_ok=True)
        noisy(number % 2, (60, 60)).save(folder / f"{number}.png")  # of each species three times the same picture
    species = [species_of("Cyanocitta cristata (Blue Jay)")] + [Species("x", f"bird {number}") for number in range(4)]
    learning = distiller(pool)
    evaluation = SpeciesEvaluation(tmp_path, species, learning.origin.transform)
    measured = evaluation.measure(learning.student)
    assert measured.neighbour == 1.0
    assert measured.copies.keys() == {"grey", "turned"}
    assert 0 <= measured.top1 <= measured.top5 <= 1
    assert evaluation.wanted.tolist().count(0) == 3
