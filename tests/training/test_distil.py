import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from retrieval.errors import CheckpointError
from retrieval.models.checkpoint import Checkpoint, load
from retrieval.models.transform import InputTransform
from retrieval.models.vit import VitConfig
from retrieval.training import distil_export, distil_run, state
from retrieval.training.batches import Batches, BatchSettings
from retrieval.training.chance import Chance
from retrieval.training.distil import Distiller, DistilSettings, ridge
from retrieval.training.distil_losses import alike, cosines
from retrieval.training.distil_run import DistilRunSettings, Phase
from retrieval.training.pool import Origin, Pool
from retrieval.training.species_evaluation import class_numbers, top_accuracy
from retrieval.training.student import random_student
from retrieval.training.teachers import Species, species_of

CONFIG = VitConfig(
    image_size=(32, 32), patch_size=8, width=16, blocks=2, heads=2, mlp_width=32, registers=1, class_token=True,
    classes=7,
)  # fmt: skip
SETTINGS = DistilSettings(rate=3e-3, warm_up=2, resume_steps=1, batches=BatchSettings(size=8))


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    generator = np.random.default_rng(0)
    pool = Pool(tmp_path_factory.mktemp("pool"), Origin(("a", "b"), ("x",), 32, 0))
    for _ in range(2):
        tint = generator.integers(0, 256, (24, 3, 1, 1))
        grain = generator.integers(0, 40, (24, 3, 32, 32))
        known = tint[:, :, 0, 0] / 128 - 1  # what the teachers say follows from the colour
        pool.add({
            "pixels": (tint * 0.8 + grain).clip(0, 255),
            "features": known @ generator.normal(size=(3, 16)),
            "logits": 3 * known @ np.eye(3, 5),
            "hints": known @ np.eye(3, 6),
            "pictures": np.zeros(24),
            "mixed": np.zeros(24),
        })  # fmt: skip
    return pool


def checkpoint(seed):
    weights = {name: value.detach() for name, value in random_student(CONFIG, seed).state_dict().items()}
    transform = InputTransform(32, 32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    return Checkpoint(CONFIG, tuple("abcdefg"), transform, weights, "general")


def distiller(pool, settings=SETTINGS):
    return Distiller(checkpoint(1), checkpoint(2), pool, settings, image_size=32)


def test_the_loss_falls(pool):
    learning = distiller(pool)
    losses = [learning.step(1.0).loss.item() for _ in range(30)]
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    assert learning.position.views == 30 * 8


def test_fitted_maps_begin_with_a_lower_loss(pool):
    plain, fitted = distiller(pool), distiller(pool)
    fitted.fit_maps(48)
    assert fitted.step(1.0).parts["species"] < plain.step(1.0).parts["species"]


def test_a_checkpoint_given_to_begin_with_is_not_changed(pool):
    start = checkpoint(1)
    before = {name: value.clone() for name, value in start.state.items()}
    Distiller(start, checkpoint(2), pool, SETTINGS, image_size=32).step(1.0)
    assert all(torch.equal(start.state[name], value) for name, value in before.items())


@pytest.mark.parametrize(("size", "kept"), [(16, 1.0), (32, 0.5)])
def test_small_images_and_some_patches_can_be_learnt_from(pool, size, kept):
    learning = distiller(pool)
    learning.step(1.0)
    learning.resize(size)
    assert learning.step(1.0, kept).loss.isfinite()
    assert learning.average.weights["network.pos_embedding"].shape == (1, 2 + (size // 8) ** 2, 16)


def test_a_run_resumes_where_it_stopped_even_at_another_size(pool, tmp_path):
    settings = DistilRunSettings(tmp_path, Phase(16), Phase(32), views=48, cooldown_views=16, fitted=16)
    calls = iter([False, False, True])
    assert not distil_run.train(distiller(pool), settings, stopped=lambda: next(calls))
    assert state.load(tmp_path).position.views == 16
    again = distiller(pool)
    assert distil_run.train(again, settings)
    assert again.position.views == 48 and again.image_size == 32
    events = [json.loads(line).get("event") for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert events == ["begun", "stopped", "resumed", "finished"]


def test_the_rate_falls_to_nothing_over_the_cooldown(pool, tmp_path):
    run = distil_run._Run(distiller(pool), DistilRunSettings(tmp_path, Phase(32), Phase(32), 100, 50), None, print)
    run.distiller.position.views = 75
    assert run.left() == 0.5
    run.settings = replace(run.settings, until=1.0)
    assert run.left() < 0


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


def test_ridge_finds_a_linear_map():
    generator = torch.Generator().manual_seed(0)
    features, weight = torch.randn((200, 4), generator=generator), torch.randn((3, 4), generator=generator)
    found, bias = ridge(features, features @ weight.T + 2, strength=1e-6)
    assert torch.allclose(found, weight, atol=1e-3) and torch.allclose(bias, torch.full((3,), 2.0), atol=1e-3)


def test_alike_is_nothing_for_the_wanted_cosines():
    features = torch.randn((6, 4), generator=torch.Generator().manual_seed(0))
    parts = alike(features, cosines(features), 0.1)
    assert all(abs(value.item()) < 1e-5 for value in parts.values())


def test_folders_are_matched_to_common_names():
    species = (species_of("Cyanocitta cristata (Blue Jay)"), species_of("background"))
    assert species[0] == Species("Cyanocitta cristata", "Blue Jay") and species[1].scientific == ""
    assert class_numbers(["Blue_jay", "background", "Rook"], species).tolist() == [0, -1, -1]


def test_accuracy_leaves_out_unknown_species():
    logits = np.eye(6, dtype=np.float32)
    assert top_accuracy(logits, np.array([0, 0, -1, 2, -1, -1])) == pytest.approx((1 / 3, 1.0), abs=0.34)


@pytest.mark.parametrize(("head", "labels"), [("species", ("A", "B", "C", "D", "background")), ("general", None)])
def test_the_student_is_exported_with_either_head(pool, tmp_path, head, labels):
    settings = DistilRunSettings(tmp_path / "work", Phase(16), Phase(16), views=16, cooldown_views=8, fitted=16)
    distil_run.train(distiller(pool), settings)
    species = [species_of(f"Genus {letter} ({letter})") for letter in "ABCD"] + [species_of("background")]
    done = distil_export.export(tmp_path / "work", tmp_path / "out.safetensors", head, species)
    loaded = load(tmp_path / "out.safetensors")
    assert done.views == 16 and loaded.label_kind == head
    assert loaded.config.image_size == (32, 32) and loaded.labels == (labels or tuple("abcdefg"))


def test_other_species_than_the_head_was_taught_are_refused(pool, tmp_path):
    state.save(tmp_path, distiller(pool).state())
    with pytest.raises(CheckpointError, match="knows 5 classes, not 1"):
        distil_export.export(tmp_path, tmp_path / "out.safetensors", "species", [species_of("background")])
