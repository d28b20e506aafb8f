import pytest
from distilling import distiller

from retrieval.errors import CheckpointError
from retrieval.models.checkpoint import load
from retrieval.training import distil_export, distil_run, state
from retrieval.training.distil_run import DistilRunSettings, Phase
from retrieval.training.teachers import species_of


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


def test_a_folder_without_a_state_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="train first"):
        distil_export.export(tmp_path, tmp_path / "out.safetensors", "general", [])
