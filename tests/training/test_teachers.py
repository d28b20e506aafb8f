import numpy as np
import pytest
from species_teachers import CLASSES, SIZE, WEIGHT, write_teacher
from tiny import tiny_checkpoint

from retrieval.errors import CheckpointError
from retrieval.models import checkpoint
from retrieval.training.teachers import FeatureTeacher, Species, SpeciesTeacher, names, read_species, species_of

pytest.importorskip("retrieval.engines.openvino.engine", exc_type=ImportError)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(0, 256, (3, 3, SIZE, SIZE), np.uint8)


def test_features_are_the_networks_own(tmp_path, images):
    import torch

    path = tiny_checkpoint(tmp_path / "a.safetensors")
    teacher = FeatureTeacher(path)
    loaded = checkpoint.load(path)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (loaded.transform.mean, loaded.transform.std))
    with torch.inference_mode():
        expected = loaded.network().features((torch.from_numpy(images) / 255 - mean) / std)
    np.testing.assert_allclose(teacher.features(images), expected.numpy(), atol=1e-5)


def test_a_teacher_without_a_class_token_is_refused(tmp_path):
    from tiny import tiny_network

    checkpoint.save(tmp_path / "a.safetensors", tiny_network(class_token=False))
    with pytest.raises(CheckpointError, match="no class token"):
        FeatureTeacher(tmp_path / "a.safetensors")


def test_species_logits_are_taken_before_the_softmax_and_hints_before_the_last_layer(tmp_path, images):
    teacher = SpeciesTeacher(write_teacher(tmp_path / "birds.xml"), threads=1)
    logits, hints = teacher.answers(images)
    means = images.mean(axis=(2, 3)) / 255
    assert teacher.size == (SIZE, SIZE)
    np.testing.assert_allclose(hints.reshape(3, 3), means, atol=1e-2)
    np.testing.assert_allclose(logits.reshape(3, CLASSES), means @ WEIGHT + 0.5, atol=2e-2)


def test_what_is_no_such_network_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="does not end in one softmax"):
        SpeciesTeacher(write_teacher(tmp_path / "a.xml", softmax=False))
    (tmp_path / "b.tflite").write_bytes(b"no network")
    with pytest.raises(CheckpointError, match="cannot be read"):
        SpeciesTeacher(tmp_path / "b.tflite")


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("Cyanocitta cristata (Blue Jay)", Species("Cyanocitta cristata", "Blue Jay")),
        ("Larus sp. (Gull (large))", Species("Larus sp.", "Gull (large)")),
        ("Larus", Species("Larus", "Larus")),
        ("background", Species("", "background")),
    ],
)
def test_labels_have_two_names(label, expected):
    assert species_of(label) == expected


def test_labels_are_in_the_order_of_their_numbers(tmp_path):
    (tmp_path / "labels.txt").write_text("1 Corvus frugilegus (Rook)\n0 Pica pica (Magpie)\n2 background\n")
    assert names(read_species(tmp_path / "labels.txt")) == ("Magpie", "Rook", "background")


@pytest.mark.parametrize("text", ["1 Rook\n", "0 Rook\n2 Jay\n", "Rook\n"])
def test_labels_with_gaps_are_refused(tmp_path, text):
    (tmp_path / "labels.txt").write_text(text)
    with pytest.raises(CheckpointError):
        read_species(tmp_path / "labels.txt")
