"""How to run: one record, with one place for its defaults and its checks."""

import inspect
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest
from photos import archive

from retrieval import Embedder, Index
from retrieval.embed.runtime import Runtime, RuntimeOptions
from retrieval.errors import ModelError, QueryError
from retrieval.index import Runtime as RuntimeOfTheDoor

BAD = [
    *({"batch_size": size} for size in (0, -1, 2.5, "8", True)),
    *({"workers": workers} for workers in (0, "2", float("nan"))),
    *({"max_pixels": pixels} for pixels in (0, None, 1e6)),
    *({name: 5} for name in ("engine", "device", "precision")),
]


def test_keyword_options_are_the_fields_of_a_runtime():
    assert RuntimeOfTheDoor is Runtime
    assert {field.name for field in fields(Runtime)} == {*RuntimeOptions.__annotations__}


def test_only_the_record_has_defaults():
    for function in (Embedder.__init__, Index.create, Index.open):
        assert not inspect.signature(function).parameters.keys() & RuntimeOptions.__annotations__.keys()


def test_it_is_never_changed_in_place():
    runtime = Runtime(batch_size=4)
    changed = runtime.with_options(workers=2)
    assert (runtime.workers, changed.workers, changed.batch_size) == (None, 2, 4)
    with pytest.raises(FrozenInstanceError):
        runtime.workers = 3


@pytest.mark.parametrize("options", BAD, ids=str)
def test_values_that_make_no_sense_are_refused_at_once(index, tmp_path, model, options):
    name = next(iter(options))
    for refused in (
        lambda: Runtime(**options),
        lambda: Embedder(str(model), **options),
        lambda: Index.open(index.folder, **options),
        lambda: Index.create(tmp_path / "other", model=str(model), **options),
    ):
        with pytest.raises(QueryError, match=name):
            refused()
    assert not (tmp_path / "other").exists()


def test_an_unknown_engine_is_refused_before_anything_is_loaded(index):
    with pytest.raises(ModelError, match="no engine 'onnx'"):
        Index.open(index.folder, engine="onnx")


def test_a_record_and_keywords_say_the_same(tmp_path, model):
    archive(tmp_path / "a", 3)
    said = []
    runtime = Runtime(device="cpu", engine="torch", batch_size=2, workers=1, max_pixels=96 * 64, notify=said.append)
    with Index.create(tmp_path / "index", model=str(model), runtime=runtime) as made:
        assert made.embedder.runtime == runtime
        assert made.add(tmp_path / "a").added == 3
    with Index.open(tmp_path / "index", runtime=runtime, max_pixels=10) as strict:
        assert strict.embedder.runtime == runtime.with_options(max_pixels=10)
        (tmp_path / "a" / "000.jpg").rename(tmp_path / "a" / "x.jpg")
        assert strict.query(tmp_path / "a" / "x.jpg").failure is None  # known by its bytes
        assert strict.embedder.network.loaded is None
        image = (tmp_path / "a" / "001.jpg").read_bytes() + b"\0"
        assert strict.query(image).failure.kind == "too-large"
    black = np.zeros((40, 40, 3), np.uint8)
    one, other = Embedder(str(model), runtime), Embedder(str(model), device="cpu", engine="torch")
    np.testing.assert_array_equal(one.embed([black])[0].vector, other.embed([black])[0].vector)
