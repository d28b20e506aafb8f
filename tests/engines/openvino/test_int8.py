"""Quantised networks: the same function, nearly; what errs most stays in floating point."""

import numpy as np
import pytest
from photos import scene
from tiny import tiny_network

pytest.importorskip("retrieval.engines.openvino.engine", exc_type=ImportError)

from retrieval.engines.openvino import int8
from retrieval.engines.openvino.cache import Converted, convert
from retrieval.engines.openvino.engine import OpenVinoEngine
from retrieval.engines.openvino.graph import Layers, _normalised, graph, linear, weights_of
from retrieval.engines.openvino.graph import features as features_node
from retrieval.engines.openvino.int8 import Extremes, passes, quantise, smoothed
from retrieval.engines.openvino.without_telemetry import openvino, opset13
from retrieval.models.checkpoint import Checkpoint

BLOCKS = 8


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    return np.stack([np.asarray(scene(seed, (32, 32))) for seed in range(40)])


def features(network, photos, precision="fp32"):
    return OpenVinoEngine(network, precision=precision).run(photos)


def quantised_inputs(network) -> set[str]:
    return {node.get_friendly_name() for node in network.model.get_ops() if node.get_type_name() == "FakeQuantize"}


def inputs(*blocks: int) -> set[str]:
    parts = ("attn.qkv", "attn.proj", "mlp.0", "mlp.3")
    return {f"encoder.block.{block}.{part}" for block in blocks for part in parts}


def test_smoothing_changes_the_channels_and_not_the_answers(photos):
    checkpoint = tiny_network(blocks=3)
    engine = OpenVinoEngine(convert(checkpoint), precision="fp32")
    _, extremes = int8._observe(checkpoint, photos, lambda _more: None)
    blocks = [f"encoder.block.{index}" for index in range(3)]
    weights, after = smoothed(weights_of(checkpoint), extremes, blocks)
    other = int8._converted(checkpoint, graph(checkpoint, Layers(weights)))
    np.testing.assert_allclose(features(other, photos), engine.run(photos), atol=2e-5)
    for name in inputs(0, 1, 2):
        largest = [np.maximum(-seen.least, seen.greatest).max(axis=0) for seen in (extremes[name], after[name])]
        assert np.log(largest[1]).std() != pytest.approx(np.log(largest[0]).std(), rel=0.01)


def test_a_loud_channel_is_quietened(photos):
    checkpoint = tiny_network(blocks=3)
    checkpoint.state["encoder.block.1.norm2.weight"][5] = 50
    _, extremes = int8._observe(checkpoint, photos, lambda _more: None)
    _, after = smoothed(weights_of(checkpoint), extremes, ["encoder.block.1"])
    before, smooth = (seen["encoder.block.1.mlp.0"].greatest.max(axis=0) for seen in (extremes, after))
    assert before[5] > 20 * np.median(before)
    assert smooth[5] < 5 * np.median(smooth)


def test_extremes_are_those_of_the_checkpoints_layers(photos):
    checkpoint = tiny_network(blocks=1, classes=0)
    _, extremes = int8._observe(checkpoint, photos[:5], lambda _more: None)
    assert extremes.keys() == inputs(0)
    hidden = extremes["encoder.block.0.mlp.3"]
    assert hidden.least.shape == hidden.greatest.shape == (5, 64)
    assert hidden.least.min() >= -0.17  # the least value of GELU is -0.16997


def test_a_range_holds_zero_and_what_nineteen_of_twenty_photos_have():
    greatest = np.arange(1, 21, dtype=np.float32)[:, None] * np.array([[1, 0.5]], np.float32)
    low, high = Extremes(greatest / 100, greatest).range()
    assert low == 0
    assert 19 <= high < 20


@pytest.mark.parametrize("class_token", [True, False])
def test_answers_stay_close_to_those_in_fp32(photos, class_token):
    checkpoint = tiny_network(blocks=2, class_token=class_token)  # too few for one to stay in floating point
    quantised = quantise(checkpoint, photos[:20])
    assert quantised_inputs(quantised) == (inputs(0) if class_token else inputs(0, 1))
    exact = features(convert(checkpoint), photos[20:])
    found = features(quantised, photos[20:], "int8")
    cosines = (exact * found).sum(axis=1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(found, axis=1)
    assert cosines.min() > 0.98
    assert cosines.mean() > 0.998
    assert not np.array_equal(exact, found)


def test_the_block_that_errs_most_stays_in_floating_point(photos):
    checkpoint = tiny_network(blocks=BLOCKS)
    for part in ("attn.proj", "mlp.3"):
        checkpoint.state[f"encoder.block.2.{part}.weight"] *= 30
    found = quantised_inputs(quantise(checkpoint, photos[:20]))
    assert len(found) == len(inputs(0, 1, 2, 3, 4))  # of 7, the eighth being left out: two stay
    assert found.isdisjoint(inputs(2, 7))


def test_passes_are_counted_as_they_are_made(photos):
    for checkpoint in (tiny_network(), tiny_network(blocks=BLOCKS)):
        counts: list[int] = []
        quantise(checkpoint, photos[:20], counts.append)
        assert sum(counts) == passes(checkpoint.config, 20)


def test_an_output_without_weights_stays_what_it_is(photos):
    checkpoint: Checkpoint = tiny_network()
    checkpoint.state["encoder.block.0.mlp.0.weight"][:7] = 0
    checkpoint.state["encoder.block.0.mlp.3.weight"][:, 9] = 0
    assert np.isfinite(features(quantise(checkpoint, photos[:20]), photos, "int8")).all()


def test_the_same_photos_give_the_same_network(photos):
    first, second = (features(quantise(tiny_network(), photos[:20]), photos, "int8") for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_the_network_of_an_index_that_also_gives_logits_gives_its_features(photos):
    """Version 0.1.0 calibrated networks with their head in the graph, and an index keeps its network."""
    checkpoint = tiny_network()
    images = opset13.parameter([-1, 32, 32, 3], openvino.Type.u8)
    node = features_node(_normalised(images, checkpoint.transform), checkpoint)
    logits = linear(
        node, "classifier", *(checkpoint.state[f"classifier.{part}"].numpy() for part in ("weight", "bias"))
    )
    model = openvino.Model([node.output(0), logits.output(0)], [images], "vit")
    found = features(Converted(model, checkpoint.transform), photos)
    np.testing.assert_allclose(found, features(convert(checkpoint), photos), atol=1e-5)
