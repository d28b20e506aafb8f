"""A network at another input size than its own: chosen once for an index, and used from then on."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from photos import archive, scene
from PIL import Image
from tiny import tiny_checkpoint, tiny_network

from retrieval import Embedder, Index
from retrieval.cli import main
from retrieval.engines.torch.engine import TorchEngine
from retrieval.errors import CheckpointError, ModelMismatchError, QueryError, Remedy
from retrieval.models import checkpoint
from retrieval.models.available import available_models
from retrieval.models.speeds import ENOUGH_PHOTOS, recall, remember


def expected_vector(picture: Image.Image, size: int) -> np.ndarray:
    """What the network with interpolated positions says of a picture, computed by torch alone."""
    pixels = np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC))
    engine = TorchEngine(tiny_network().resized((size, size)), device="cpu", precision="fp32")
    feature = engine.run(pixels[None])[0]
    return feature / np.linalg.norm(feature)


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_an_index_of_another_input_size(tmp_path, model, engine):
    if engine == "openvino":
        pytest.importorskip("openvino")
    archive(tmp_path / "a", 4)
    options = {"device": "cpu", "engine": engine, "precision": "fp32"}
    with Index.create(tmp_path / "index", model=str(model), input_size=64, **options) as index:
        index.add(tmp_path / "a")
    stated = json.loads((tmp_path / "index" / "index.json").read_text())["model"]
    assert (stated["height"], stated["width"]) == (64, 64)
    picture = scene(77)
    with Index.open(tmp_path / "index", **options) as again:
        assert again.status().model.height == 64
        (found,) = again.embedder.embed([picture])
        np.testing.assert_allclose(found.vector, expected_vector(picture, 64), atol=1e-5)
        assert found.vector @ expected_vector(picture, 32) < 0.9999  # as it would be at its own size
        known = again.query(tmp_path / "a" / "002.jpg", k=1).hits[0]
        asked = again.query(Image.open(tmp_path / "a" / "002.jpg"), k=1).hits[0]
        assert known.path == asked.path
        assert asked.score > 0.999
    with Index.open(tmp_path / "index", input_size=64, **options) as again:
        assert again.add().unchanged == 4


def test_input_sizes_do_not_mix(index, tmp_path, model):
    with pytest.raises(ModelMismatchError, match="an input of 32 x 32 pixels, not 64 x 64") as caught:
        Index.open(index.folder, input_size=64)
    assert caught.value.remedy == Remedy.OTHER_INDEX_FOLDER
    wide = tiny_checkpoint(tmp_path / "wide.safetensors", image_size=(32, 48))
    Index.create(tmp_path / "wide", model=str(wide), device="cpu").close()
    with pytest.raises(ModelMismatchError, match="32 x 48"):
        Index.open(tmp_path / "wide", input_size=32)


def test_a_size_that_patches_do_not_fill_is_refused_before_an_index_is_made(tmp_path, model):
    with pytest.raises(CheckpointError, match="40x40 pixels does not divide") as caught:
        Index.create(tmp_path / "index", model=str(model), device="cpu", input_size=40)
    assert (caught.value.remedy, caught.value.details) == (Remedy.OTHER_INPUT_SIZE, {"patch": 16})
    assert not (tmp_path / "index").exists()
    for size in (0, -16, 64.0, "64", 100_000):
        with pytest.raises(QueryError, match="input_size"):
            Embedder(str(model), input_size=size)


def test_the_networks_own_size_is_the_default(tmp_path, model):
    own = Embedder(str(model), device="cpu", precision="fp32")
    same = Embedder(str(model), device="cpu", precision="fp32", input_size=32)
    assert own.model == same.model
    assert (own.preparation.height, own.preparation.width) == (32, 32)


def test_from_the_command_line(tmp_path, model, monkeypatch):
    monkeypatch.chdir(tmp_path)
    archive(tmp_path / "a", 3)

    def call(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, words)
        return done.exit_code, done.output

    code, said = call("index", "a", "--model", str(model), "--input-size", "40")
    assert code == 1
    assert "choose a multiple of 16 with --input-size" in said
    assert call("index", "a", "--model", str(model), "--input-size", "48")[0] == 0
    code, said = call("index", "--input-size", "32")
    assert code == 1
    assert "input sizes do not mix: choose another folder with --index" in said
    assert "48 x 48 px" in call("status")[1]
    assert call("query", "a/001.jpg")[0] == 0
    assert call("identify", "a/001.jpg", "--model", str(model), "--input-size", "64")[0] == 0


def test_speeds_of_one_network_at_two_sizes_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("RETRIEVAL_CACHE_DIR", str(tmp_path))
    flagship = next(available_models())
    assert flagship.photos_per_s is None
    remember("ab", (384, 384), ENOUGH_PHOTOS, 10)
    remember("ab", (512, 512), ENOUGH_PHOTOS, 20)
    assert (recall("ab", (384, 384)), recall("ab", (512, 512)), recall("ab", (64, 64))) == (10, 5, None)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_an_index_of_another_size_answers_as_the_original_library(tmp_path):
    """birder's own `adjust_size` against `input_size`, from pixels to the stored vector."""
    pytest.importorskip("birder", reason="needs birder, the original library (pip install retrieval[dev])")
    import torch
    from birder.model_registry import registry

    torch.manual_seed(3)
    original = registry.net_factory("vit_t16", 10, size=(64, 64)).eval()
    for parameter in original.parameters():
        torch.nn.init.normal_(parameter, std=0.04)
    state = {name: tensor.clone() for name, tensor in original.state_dict().items()}
    statistics = {"mean": (0.5, 0.4, 0.6), "std": (0.2, 0.25, 0.3)}
    torch.save(
        {
            "state": state,
            "class_to_idx": {f"species {number}": number for number in range(10)},
            "signature": {"inputs": [{"data_shape": [0, 3, 64, 64]}], "outputs": [{"data_shape": [0, 10]}]},
            "rgb_stats": statistics,
            "task": "image_classification",
            "birder_version": "0.8.4",
        },
        tmp_path / "vit.pt",
    )
    assert checkpoint.load(tmp_path / "vit.pt").config.image_size == (64, 64)
    original.adjust_size((112, 112))
    picture = scene(5, (112, 112))
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 255
    mean, std = (torch.tensor(statistics[name]).view(3, 1, 1) for name in ("mean", "std"))
    with torch.inference_mode():
        feature = original.embedding((pixels - mean) / std)[0].numpy()
    picture.save(tmp_path / "a.png")
    options = {"device": "cpu", "precision": "fp32", "input_size": 112}
    with Index.create(tmp_path / "index", model=str(tmp_path / "vit.pt"), **options) as index:
        (found,) = index.embedder.embed([tmp_path / "a.png"])
    np.testing.assert_allclose(found.vector, feature / np.linalg.norm(feature), atol=1e-5)
    assert found.norm == pytest.approx(float(np.linalg.norm(feature)), rel=1e-4)
