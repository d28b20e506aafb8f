"""A third engine is one folder (here `tests/numpy_engine`) and one line of the registry: all else takes it as it is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy_engine.engine import NumpyEngine
from photos import archive, scene

from retrieval import Embedder, Index
from retrieval.engines import registry
from retrieval.engines.registry import Entry
from retrieval.errors import ModelError
from retrieval.models.lazy_checkpoint import LazyCheckpoint
from retrieval.models.zoo import resolve

LINE = {"numpy": Entry("numpy_engine.engine", ("cpu",))}


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "ENGINES", {**LINE, **registry.ENGINES})


def test_it_embeds_as_the_others(registered: None, model: Path) -> None:
    photos = [scene(seed) for seed in range(6)]
    embedder = Embedder(str(model), engine="numpy", device="cpu")
    exact = Embedder(str(model), engine="torch", device="cpu", precision="fp32").embed(photos)
    for embedding, expected in zip(embedder.embed(photos), exact, strict=True):
        np.testing.assert_allclose(embedding.vector, expected.vector, atol=1e-5)
        assert embedding.norm == pytest.approx(expected.norm, rel=1e-5)
        assert [p.species for p in embedding.predictions] == [p.species for p in expected.predictions]
    assert isinstance(embedder.network.engine(), NumpyEngine)


def test_index_and_query(registered: None, tmp_path: Path, model: Path) -> None:
    folder = archive(tmp_path / "a", 12)
    with Index.create(tmp_path / "index", model=str(model), engine="numpy", device="cpu") as index:
        assert index.add(folder).added == 12
        assert isinstance(index.embedder.network.engine(), NumpyEngine)
    with Index.open(tmp_path / "index", engine="numpy") as index:
        (folder / "003.jpg").rename(tmp_path / "moved.jpg")
        data = (tmp_path / "moved.jpg").read_bytes() + b"\0"  # unknown bytes: the network is needed
        answer = index.query(data, k=3)
        assert index.embedder.passes == 1
        assert (answer.hits[0].path.name, answer.hits[0].score) == ("003.jpg", pytest.approx(1, abs=1e-3))
        assert len(answer.predictions) == 5
        assert index.verify().sound


def test_auto_prefers_it_by_its_place_in_the_registry(registered: None, model: Path) -> None:
    assert registry.names() == ("auto", "numpy", "openvino", "torch")
    assert registry.engine_for("auto", "cpu", "auto") == "numpy"
    assert registry.engine_for("auto", "cpu", "fp16") == "torch"  # which it cannot do
    with pytest.raises(ModelError, match="the engine numpy runs on cpu, not on 'cuda'"):
        registry.engine_for("numpy", "cuda", "auto")
    with pytest.raises(ModelError, match=r"NumPy computes in fp32, not in 'bf16': choose another precision"):
        registry.start(LazyCheckpoint(resolve(str(model))), engine="numpy", precision="bf16")


SCRIPT = """
import sys
from retrieval.engines import registry
registry.ENGINES["numpy"] = registry.Entry("numpy_engine.engine", ("cpu",))
from retrieval.cli import main
main(standalone_mode=False)
print("retrieval.engines.torch.engine" in sys.modules, "openvino" in sys.modules, file=sys.stderr)
"""


def test_from_the_command_line(tmp_path: Path, model: Path) -> None:
    archive(tmp_path / "a", 5)
    archive(tmp_path / "new", 1, first_seed=9)
    paths = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]

    def call(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, *words, "--engine", "numpy", "--device", "cpu"],
            capture_output=True, text=True, cwd=tmp_path, timeout=100,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stderr.splitlines()[-1] == "False False"  # no other engine was started
        return done.stdout

    call("index", "a", "--model", str(model))
    answer = json.loads(call("query", "new/000.jpg", "--format", "json"))
    assert len(answer["hits"]) == 5
    identified = json.loads(call("identify", "new/000.jpg", "--model", str(model), "--format", "json"))
    assert identified["predictions"] == answer["predictions"]
