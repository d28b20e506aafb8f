"""The OpenVINO engine: the same answers as torch, any batch, a cache that mends itself, and nothing told to anyone."""

import signal
import threading
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny import tiny_network

from retrieval.engines.torch.engine import TorchEngine
from retrieval.errors import ModelError
from retrieval.models import checkpoint
from retrieval.models.checkpoint import Checkpoint

pytest.importorskip(
    "retrieval.engines.openvino.engine", exc_type=ImportError
)  # not the library itself: it would report it

from retrieval.engines.openvino.cache import convert
from retrieval.engines.openvino.engine import OpenVinoEngine, precisions

needs_bf16 = pytest.mark.skipif("bf16" not in precisions(), reason="this processor does not compute in bf16")


def images(n: int, height: int = 32, width: int = 32) -> NDArray[np.uint8]:
    return np.random.default_rng(2).integers(0, 256, (n, height, width, 3), np.uint8)


def cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def engine(network: Checkpoint | None = None, precision: str = "fp32") -> OpenVinoEngine:
    return OpenVinoEngine(convert(network or tiny_network()), precision=precision)


@needs_bf16
@pytest.mark.parametrize("class_token", [True, False])
def test_bf16_stays_close_to_float32(class_token: bool) -> None:
    network = tiny_network(class_token=class_token)
    batch = images(8)
    exact = engine(network).run(batch)
    features = engine(network, "bf16").run(batch)
    assert features.dtype == np.float32
    assert not np.array_equal(features, exact)
    assert cosine(features, exact).min() >= 0.9995


@pytest.mark.parametrize("precision", precisions())
def test_batches_do_not_matter(precision: str) -> None:
    network = engine(precision=precision)
    batch = images(7)
    together = network.run(batch)
    apart = np.concatenate([network.run(batch[start : start + 3]) for start in range(0, 7, 3)])
    assert cosine(together, apart).min() >= (0.999999 if precision == "fp32" else 0.9995)


def test_a_single_image_is_answered_alike_before_and_after_many() -> None:
    network = engine()
    batch = images(5)
    first = network.run(batch[:1])
    many = network.run(batch)
    last = network.run(batch[:1])
    np.testing.assert_allclose(first, many[:1], atol=1e-5)
    np.testing.assert_allclose(last, many[:1], atol=1e-5)
    assert network.batch_size >= 2


@pytest.mark.parametrize("classes", [0, 5])
def test_an_empty_batch_gives_empty_answers(classes: int) -> None:
    assert engine(tiny_network(classes=classes)).run(images(0)).shape == (0, 32)


def test_answers_outlive_the_next_batch() -> None:
    network = engine()
    features = network.run(images(2))
    kept = features.copy()
    network.run(255 - images(2))
    np.testing.assert_array_equal(features, kept)


def test_the_callers_pixels_are_left_alone_and_may_be_any_view() -> None:
    network = engine()
    batch = images(2)
    kept = batch.copy()
    mirrored = network.run(batch[:, :, ::-1])
    np.testing.assert_array_equal(batch, kept)
    np.testing.assert_allclose(mirrored, network.run(np.ascontiguousarray(batch[:, :, ::-1])), atol=1e-6)
    batch.flags.writeable = False
    network.run(batch)


@pytest.mark.parametrize("batch", [images(1, 32, 48), images(1).astype(np.float32), images(1)[0]], ids=str)
def test_images_of_another_kind_are_refused(batch: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match=r"the network takes uint8 \(32, 32, 3\)"):
        engine().run(batch)


def test_the_fastest_precision_of_the_processor_is_chosen() -> None:
    assert engine(precision="auto").precision == precisions()[-1]
    assert precisions()[0] == "fp32"


def test_a_precision_that_cannot_be_had_is_refused() -> None:
    with pytest.raises(ModelError, match=r"computes in fp32.* on this processor, not in 'fp16'.*another engine"):
        engine(precision="fp16")


# Real checkpoints.


@pytest.mark.shared
@pytest.mark.parametrize("precision", precisions())
def test_a_real_networks_embedding_is_torchs(shared: Path, precision: str) -> None:
    network = checkpoint.load(shared / "checkpoints" / "vit_t16_imagenet1k.pt")
    batch = np.repeat(np.repeat(images(2, 28, 28), 8, axis=1), 8, axis=2)
    exact = TorchEngine(network, device="cpu", precision="fp32").run(batch)
    features = engine(network, precision).run(batch)
    assert cosine(exact, features).min() >= (0.9999999 if precision == "fp32" else 0.998)


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="this platform has no signal to interrupt with")
def test_a_batch_that_was_interrupted_leaves_nothing_running() -> None:
    """Requests that went on would read memory that is gone, and refuse the next batch."""
    network, batch = engine(tiny_network()), images(64)
    expected = network.run(batch)

    def interrupt(_signal: int, frame: FrameType | None) -> None:
        while frame is not None:
            if frame.f_code is OpenVinoEngine.outputs.__code__:
                raise KeyboardInterrupt
            frame = frame.f_back

    before, interrupted = signal.signal(signal.SIGUSR1, interrupt), 0
    try:
        for number in range(60):
            timer = threading.Timer(number / 30_000, signal.pthread_kill, (threading.get_ident(), signal.SIGUSR1))
            timer.start()
            try:
                network.run(batch)
            except KeyboardInterrupt:
                interrupted += 1
            timer.join()
            np.testing.assert_allclose(network.run(batch), expected, atol=1e-5)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert interrupted
