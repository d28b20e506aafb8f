import pytest
from tiny import tiny_checkpoint

from retrieval.embed.network import Network
from retrieval.embed.runtime import Runtime
from retrieval.errors import ModelError, ModelMismatchError, Remedy


def network(source, *, expected=None, precision="fp32"):
    runtime = Runtime(engine="torch", device="cpu", precision=precision)
    return Network(str(source), runtime, expected=expected, calibrated_network=None)


@pytest.fixture
def weights(tmp_path):
    return tiny_checkpoint(tmp_path / "tiny.safetensors")


def test_a_network_is_loaded_once_and_says_what_it_is(weights):
    made = network(weights)
    assert made.loaded is None
    loaded = made.load()
    assert made.load() is loaded
    model = loaded.model
    assert (model.name, model.dimension, model.classes, model.precision) == ("tiny", 32, 5, "fp32")
    assert (model.height, model.width) == (32, 32)
    assert made.engine() is loaded.engine


def test_other_weights_than_expected_are_refused(weights, tmp_path):
    expected = network(weights).load().model
    other = tiny_checkpoint(tmp_path / "other.safetensors", seed=4)
    with pytest.raises(ModelMismatchError) as caught:
        network(other, expected=expected).load()
    assert caught.value.remedy is Remedy.SAME_MODEL_OR_NEW_INDEX
    moved = weights.rename(tmp_path / "moved.safetensors")
    assert network(moved, expected=expected).load().model.sha256 == expected.sha256


def test_int8_needs_an_index(weights):
    with pytest.raises(ModelError) as caught:
        network(weights, precision="int8").load()
    assert caught.value.remedy is Remedy.CALIBRATE


def test_in_another_process_than_it_was_loaded_in_it_cannot_run(weights):
    made = network(weights)
    made.loaded = made.load()._replace(process=-1)
    with pytest.raises(ModelError) as caught:
        made.engine()
    assert caught.value.remedy is Remedy.FORK_EARLIER
