import numpy as np
import pytest
from species_teachers import write_teacher
from tiny import tiny_checkpoint

from retrieval.errors import CheckpointError
from retrieval.training.fill import Filler, FillSettings, fill
from retrieval.training.pictures import Picture
from retrieval.training.pool import Pool
from retrieval.training.teachers import FeatureTeacher, SpeciesTeacher

pytest.importorskip("retrieval.engines.openvino.engine", exc_type=ImportError)
SETTINGS = FillSettings(shard=6, batch=4, others=0.5)


@pytest.fixture(scope="module")
def filler(tmp_path_factory, noisy):
    folder = tmp_path_factory.mktemp("teachers")
    birds, others = (
        [Picture(f"{kind}/{seed}.jpg", np.asarray(noisy(seed, (80, 60)))) for seed in seeds]
        for kind, seeds in (("birds", range(3)), ("others", range(3, 5)))
    )
    features = FeatureTeacher(tiny_checkpoint(folder / "a.safetensors"))
    return Filler(birds, others, features, SpeciesTeacher(write_teacher(folder / "birds.xml"), 1), SETTINGS)


def test_a_shard_has_views_and_answers_of_its_pictures(filler):
    shard = filler.shard(0)
    assert {name: len(values) for name, values in shard.items()} == dict.fromkeys(shard, 6)
    assert shard["pixels"].shape == (6, 3, 32, 32)
    assert set(shard["pictures"].tolist()) <= set(range(5))
    np.testing.assert_allclose(shard["features"], filler.features.features(shard["pixels"]), atol=1e-4)


def test_the_same_number_gives_the_same_shard(filler):
    first, other, again = (filler.shard(number)["pixels"] for number in (1, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_birds_and_others_are_drawn_by_their_share(filler):
    pictures = np.concatenate([filler.shard(number)["pictures"] for number in range(8)])
    assert 0.2 < np.mean(pictures >= 3) < 0.8


def test_a_pool_is_filled_to_the_number_asked_for_and_no_further(filler, tmp_path):
    pool = Pool(tmp_path, filler.origin(("a", "b")))
    seen = []
    fill(pool, filler, 3, report=seen.append, stopped=lambda: len(seen) == 1)
    assert seen == [1]
    fill(pool, filler, 2, report=seen.append)
    fill(pool, filler, 2, report=seen.append)
    assert (seen, len(pool)) == ([1, 2], 12)


def test_teachers_of_different_sizes_are_refused(filler, tmp_path):
    other = FeatureTeacher(tiny_checkpoint(tmp_path / "b.safetensors", image_size=(48, 48)))
    with pytest.raises(CheckpointError, match="different sizes"):
        Filler([], [], other, filler.species, SETTINGS)
