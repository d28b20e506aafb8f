import json

import numpy as np
import pytest
import torch
from tiny import tiny_network

from retrieval.errors import CheckpointError
from retrieval.models import checkpoint, weightfile
from retrieval.training import export as exporting
from retrieval.training.export import export
from retrieval.training.plan import Budget
from retrieval.training.run import RunSettings, train
from retrieval.training.settings import Settings
from retrieval.training.trainer import Trainer

LABELS = ("black stork, Ciconia nigra", "crane", "crane (517)", "maillot", "maillot, tank suit")


@pytest.fixture(scope="module")
def trained(noisy, tmp_path_factory):
    """A trainer after a short run, and its work folder."""
    work = tmp_path_factory.mktemp("work")
    teacher = tiny_network(registers=0)
    teacher = checkpoint.Checkpoint(teacher.config, LABELS, teacher.transform, teacher.state)
    trainer = Trainer(teacher, "abc", [np.array(noisy(1, (80, 80)))], Settings(image_size=32, batch=4))
    train(trainer, RunSettings(work, Budget(views=80), log_every_s=0))
    return trainer, work


def test_what_is_exported_answers_as_the_averaged_student(trained, tmp_path):
    trainer, work = trained
    done = export(work, tmp_path / "compact.safetensors")
    assert done.bytes == (tmp_path / "compact.safetensors").stat().st_size
    assert done.views == 80
    assert done.cosine >= 0.9999
    loaded = checkpoint.load(tmp_path / "compact.safetensors")
    images = torch.randn((8, 3, 32, 32), generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        expected = torch.func.functional_call(trainer.student, trainer.average.weights, (images,))
        found = loaded.network()(images)
    assert torch.nn.functional.cosine_similarity(found[0], expected[0]).min() >= 0.9999
    torch.testing.assert_close(found[1], expected[1], atol=0.02, rtol=0.01)
    assert loaded.config == trainer.student.config
    assert loaded.transform == trainer.origin.transform


def test_its_labels_are_for_people_and_marked_as_general(trained, tmp_path):
    export(trained[1], tmp_path / "compact.safetensors")
    loaded = checkpoint.load(tmp_path / "compact.safetensors")
    assert loaded.labels == ("black stork", "crane", "crane (517)", "maillot", "maillot (tank suit)")
    assert loaded.label_kind == "general"


def test_its_making_is_told_in_the_file(trained, tmp_path):
    export(trained[1], tmp_path / "compact.safetensors")
    contents = weightfile.read(tmp_path / "compact.safetensors")
    assert all(tensor.dtype == torch.float16 for tensor in contents.tensors.values())
    assert contents.metadata["scientific_names"] == {"black stork": ["Ciconia nigra"]}
    training = contents.metadata["training"]
    assert (training["views"], training["steps"], training["pictures"]) == (80, 20, 1)
    assert training["curve"][0]["views"] == 4
    assert json.dumps(training)


def test_nothing_is_exported_without_training(tmp_path):
    with pytest.raises(CheckpointError, match="train first"):
        export(tmp_path, tmp_path / "compact.safetensors")


def test_weights_that_are_not_sound_are_refused(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "agreement", lambda *_networks: float("nan"))
    with pytest.raises(CheckpointError, match="not sound"):
        export(trained[1], tmp_path / "compact.safetensors")
