"""When a network is compiled, what becomes of its answers, and what happens where it cannot be."""

import logging
import shutil

import numpy as np
import pytest
import torch
from tiny import tiny_network

from retrieval.engines.torch import compilation
from retrieval.engines.torch.compilation import COMPILE_FROM, compiled, worthwhile
from retrieval.engines.torch.engine import TorchEngine
from retrieval.models.vit import VisionTransformer


def images(n: int) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (n, 32, 32, 3), np.uint8)


@pytest.mark.parametrize(
    ("device", "count", "pays"),
    [
        ("cuda", COMPILE_FROM, True),
        ("cuda:1", 10_000_000, True),
        ("cuda", COMPILE_FROM - 1, False),
        ("cuda", 0, False),  # nobody knows how many
        ("cpu", 10_000_000, False),
        ("mps", 10_000_000, False),
    ],
)
def test_only_a_great_many_images_on_cuda_are_worth_it(device: str, count: int, pays: bool) -> None:
    assert worthwhile(device, count) is pays


class Stand:
    """In the compiled network's place the network itself, or an error; counts the batches it is given."""

    def __init__(self, network: VisionTransformer, error: Exception | None = None) -> None:
        self.network, self.error = network, error
        self.sizes: list[int] = []

    def features(self, batch: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(batch))
        if self.error:
            raise self.error
        return self.network.features(batch)


@pytest.fixture
def stands(monkeypatch: pytest.MonkeyPatch) -> list[Stand]:
    """Engines on this CPU take compiling for worthwhile; what they would compile is listed."""
    made: list[Stand] = []

    def stand(network: VisionTransformer) -> Stand:
        made.append(Stand(network))
        return made[-1]

    monkeypatch.setattr(compilation, "worthwhile", lambda _device, count: count >= 100)
    monkeypatch.setattr(compilation, "compiled", stand)
    return made


def test_batches_of_the_expected_size_run_compiled_and_others_as_they_are(stands: list[Stand]) -> None:
    engine = TorchEngine(tiny_network(), device="cpu")
    engine.expect(99, 4)
    engine.run(images(4))
    assert stands == []
    for _ in range(2):  # said before every batch
        engine.expect(100, 4)
    for n in (4, 3, 4, 8):
        engine.run(images(n))
    assert [stand.sizes for stand in stands] == [[4, 4]]


def test_where_compiling_fails_the_network_runs_as_it_is_and_a_line_says_so(
    stands: list[Stand], caplog: pytest.LogCaptureFixture
) -> None:
    engine = TorchEngine(tiny_network(), device="cpu")
    expected = TorchEngine(tiny_network(), device="cpu").run(images(4))
    engine.expect(100, 4)
    stands[0].error = RuntimeError("Cannot find a working triton installation.\nMore information ...")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            engine.expect(100, 4)
            np.testing.assert_array_equal(engine.run(images(4)), expected)
    assert len(stands) == 1
    assert stands[0].sizes == [4]
    assert [record.getMessage() for record in caplog.records] == [
        "torch cannot compile the network here, it runs as it is: Cannot find a working triton installation."
    ]


def test_a_compiled_batch_too_large_for_the_memory_is_halved(stands: list[Stand]) -> None:
    engine = TorchEngine(tiny_network(), device="cpu")
    expected = TorchEngine(tiny_network(), device="cpu").run(images(4))
    engine.expect(100, 4)
    stands[0].error = torch.cuda.OutOfMemoryError("CUDA out of memory")
    np.testing.assert_allclose(engine.run(images(4)), expected, atol=1e-5)
    assert engine.batch_size == 2


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("c++") or shutil.which("g++")), reason="needs a C++ compiler")
@pytest.mark.filterwarnings("default")  # of the compiler and its libraries
def test_a_compiled_network_answers_alike_on_the_same_weights() -> None:
    network = tiny_network(registers=4).network()
    twin = compiled(network)
    assert all(a is b for a, b in zip(network.parameters(), twin.parameters(), strict=True))
    batch = torch.randn((4, 3, 32, 32), generator=torch.Generator().manual_seed(5))
    for precision, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 0.05)):
        reduced = torch.autocast("cpu", torch.bfloat16, enabled=precision is torch.bfloat16)
        with torch.inference_mode(), reduced:
            for answer, expected in zip(twin(batch), network(batch), strict=True):
                torch.testing.assert_close(answer.float(), expected.float(), rtol=0, atol=tolerance)
    network.norm.weight.data.mul_(2)
    with torch.inference_mode():
        torch.testing.assert_close(twin(batch)[0], network(batch)[0], rtol=0, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.filterwarnings("default")
def test_a_network_compiled_for_cuda_answers_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "COMPILE_FROM", 1)
    plain = TorchEngine(tiny_network(), device="cuda", precision="bf16")
    engine = TorchEngine(tiny_network(), device="cuda", precision="bf16")
    engine.expect(100, 16)
    a, b = plain.run(images(16)), engine.run(images(16))
    assert ((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min() >= 0.9995
