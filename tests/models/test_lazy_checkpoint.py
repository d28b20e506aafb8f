import pytest
from tiny import tiny_checkpoint

from retrieval.errors import CheckpointError
from retrieval.models.lazy_checkpoint import LazyCheckpoint
from retrieval.models.zoo import Weights


def lazy(path, image_size=None):
    return LazyCheckpoint(Weights("tiny", str(path), path, "a" * 64), image_size)


def test_nothing_is_read_before_it_is_needed_and_then_once(tmp_path):
    checkpoint = lazy(tmp_path / "tiny.safetensors")  # which is not there yet
    assert checkpoint.sha256 == "a" * 64
    with pytest.raises(CheckpointError):
        checkpoint.load()
    path = tiny_checkpoint(tmp_path / "tiny.safetensors")
    first = checkpoint.load()
    path.unlink()
    assert checkpoint.load() is first


@pytest.mark.parametrize(("size", "resized"), [(None, False), ((32, 32), False), ((64, 48), True)])
def test_another_input_size_is_told_and_made(tmp_path, size, resized):
    checkpoint = lazy(tiny_checkpoint(tmp_path / "tiny.safetensors"), size)
    assert checkpoint.is_resized == resized
    assert checkpoint.load().config.image_size == (size or (32, 32))


def test_an_input_size_that_patches_do_not_fill_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="does not divide"):
        lazy(tiny_checkpoint(tmp_path / "tiny.safetensors"), (33, 32)).load()
