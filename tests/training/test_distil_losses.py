import torch

from retrieval.training.distil_losses import DistilWeights, Said, Wanted, alike, cosines, judge


def test_alike_is_nothing_for_the_wanted_cosines():
    features = torch.randn((6, 4), generator=torch.Generator().manual_seed(0))
    parts = alike(features, cosines(features), 0.1)
    assert all(abs(value.item()) < 1e-5 for value in parts.values())


def answers():
    generator = torch.Generator().manual_seed(1)
    features, species, hints, general = (torch.randn((6, width), generator=generator) for width in (4, 5, 3, 7))
    return features, species, hints, general


def test_a_student_that_says_what_the_teachers_say_has_no_loss_but_that_of_cosines():
    features, species, hints, general = answers()
    wanted = Wanted(features, species, hints, general)
    _, parts = judge(Said(features, features, species, hints, general), wanted, DistilWeights())
    for name in ("species", "hints", "features", "general"):
        assert abs(parts[name].item()) < 1e-5, name


def test_each_part_counts_by_its_weight():
    features, species, hints, general = answers()
    wanted = Wanted(features, species, hints, general)
    said = Said(*(one.roll(1, 0) for one in (features, features, species, hints, general)))
    total, parts = judge(said, wanted, DistilWeights())
    weights = DistilWeights()
    expected = sum(getattr(weights, name) * part.item() for name, part in parts.items())
    assert abs(total.item() - expected) < 1e-4
    assert all(part.item() > 0 for part in parts.values())
    doubled, _ = judge(said, wanted, DistilWeights(species=2.0))
    assert abs(doubled.item() - total.item() - parts["species"].item()) < 1e-4
