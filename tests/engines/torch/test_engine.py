"""The torch engine: exact normalisation, any batch, every precision, and no batch lost for lack of memory."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny import tiny_network
from torch import Tensor, nn

from retrieval.engines.torch.device import choose_device, default_precision
from retrieval.engines.torch.engine import TorchEngine
from retrieval.engines.torch.transfer import Transfer
from retrieval.errors import ModelError
from retrieval.models import checkpoint


def images(n: int, height: int = 32, width: int = 32) -> NDArray[np.uint8]:
    return np.random.default_rng(2).integers(0, 256, (n, height, width, 3), np.uint8)


def cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def test_pixels_are_scaled_and_normalised_by_channel_before_the_network() -> None:
    network = tiny_network(image_size=(32, 48))
    batch = images(3, 32, 48)
    features = TorchEngine(network, device="cpu").run(batch)
    scaled = torch.from_numpy(batch).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (network.transform.mean, network.transform.std))
    with torch.inference_mode():
        expected, _ = network.network()((scaled - mean) / std)
    np.testing.assert_allclose(features, expected.numpy(), atol=1e-5)
    assert features.dtype == np.float32


def test_batches_do_not_matter() -> None:
    engine = TorchEngine(tiny_network(), device="cpu")
    batch = images(7)
    together = engine.run(batch)
    apart = np.concatenate([engine.run(batch[start : start + 3]) for start in range(0, 7, 3)])
    np.testing.assert_allclose(together, apart, atol=1e-5)


def test_an_empty_batch_gives_empty_answers() -> None:
    assert TorchEngine(tiny_network(), device="cpu").run(images(0)).shape == (0, 32)


def test_the_callers_pixels_are_left_alone_and_may_be_any_view() -> None:
    engine = TorchEngine(tiny_network(), device="cpu")
    batch = images(2)
    kept = batch.copy()
    mirrored = engine.run(batch[:, :, ::-1])
    np.testing.assert_array_equal(batch, kept)
    np.testing.assert_allclose(mirrored, engine.run(np.ascontiguousarray(batch[:, :, ::-1])), atol=1e-6)


@pytest.mark.parametrize("batch", [images(1, 32, 48), images(1).astype(np.float32), images(1)[0]], ids=str)
def test_images_of_another_kind_are_refused(batch: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match=r"the network takes uint8 \(32, 32, 3\)"):
        TorchEngine(tiny_network(), device="cpu").run(batch)


@pytest.mark.parametrize(("precision", "least"), [("bf16", 0.999), ("fp16", 0.99999)])
def test_reduced_precisions_stay_close_to_float32(precision: str, least: float) -> None:
    network = tiny_network()
    batch = images(8)
    exact = TorchEngine(network, device="cpu", precision="fp32").run(batch)
    features = TorchEngine(network, device="cpu", precision=precision).run(batch)
    assert features.dtype == np.float32
    assert not np.array_equal(features, exact)
    assert cosine(features, exact).min() >= least


def test_the_cpu_computes_in_float32_unless_told_otherwise() -> None:
    engine = TorchEngine(tiny_network(), device="cpu")
    assert (engine.device, engine.precision) == ("cpu", "fp32")
    assert default_precision("mps") == "fp32"


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cuda:-1", "cpu:1", "auto:0", "mps:1", ""])
def test_names_of_no_device_are_refused(name: str) -> None:
    with pytest.raises(ModelError, match=r"is not a device; these are: auto, cpu, cuda"):
        choose_device(name)


def test_a_cuda_device_that_is_not_here_is_refused() -> None:
    with pytest.raises(ModelError, match=r"there is no device 'cuda:99'.*: choose another device"):
        choose_device("cuda:99")


@pytest.mark.skipif(torch.cuda.is_available() or torch.backends.mps.is_available(), reason="needs a CPU alone")
def test_without_an_accelerator_the_cpu_is_chosen_and_the_others_are_refused() -> None:
    assert choose_device("auto") == "cpu"
    for name in ("cuda", "cuda:0", "mps"):
        with pytest.raises(ModelError, match=f"there is no device '{name}'"):
            choose_device(name)


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ModelError, match=r"no precision 'int4' in torch, only auto, fp32, bf16, fp16"):
        TorchEngine(tiny_network(), device="cpu", precision="int4")


class SmallMemory(nn.Module):
    """A network on a device that holds `capacity` images: what CUDA does when it is full, without CUDA."""

    def __init__(self, network: nn.Module, capacity: int) -> None:
        super().__init__()
        self.network, self.capacity = network, capacity
        self.tried: list[int] = []
        self.error: RuntimeError = torch.cuda.OutOfMemoryError("CUDA out of memory")

    def features(self, batch: Tensor) -> Tensor:
        self.tried.append(len(batch))
        if len(batch) > self.capacity:
            raise self.error
        return self.network.features(batch)


def engine_with_memory_for(capacity: int) -> TorchEngine:
    engine = TorchEngine(tiny_network(), device="cpu")
    engine.network = SmallMemory(engine.network, capacity)
    return engine


@pytest.mark.parametrize("capacity", [1, 2, 3, 8, 100])
def test_a_batch_too_large_for_the_memory_is_halved_until_it_fits(capacity: int) -> None:
    engine = engine_with_memory_for(capacity)
    batch = images(19)
    expected = TorchEngine(tiny_network(), device="cpu").run(batch)
    np.testing.assert_allclose(engine.run(batch), expected, atol=1e-5)


def test_what_fits_is_remembered() -> None:
    engine = engine_with_memory_for(3)
    engine.run(images(8))
    assert engine.network.tried == [8, 4, 2, 2, 2, 2]
    engine.network.tried.clear()
    engine.run(images(4))
    assert engine.network.tried == [2, 2]

    assert engine.batch_size == 2


@pytest.mark.parametrize(
    "message",
    [
        "MPS backend out of memory (MPS allocated: 9.0 GB)",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "CUDA error: out of memory",
    ],
)
def test_a_full_device_is_known_by_what_its_libraries_say(message: str) -> None:
    engine = engine_with_memory_for(3)
    engine.network.error = RuntimeError(message)
    assert engine.run(images(8)).shape == (8, 32)
    assert engine.batch_size == 2


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    engine = engine_with_memory_for(3)
    engine.network.error = RuntimeError("the operator is not implemented")
    with pytest.raises(RuntimeError, match="not implemented"):
        engine.run(images(8))
    assert engine.network.tried == [8]


def test_answers_may_be_waited_for_later_and_in_any_order() -> None:
    engine = engine_with_memory_for(3)  # the first of them is halved
    batches = [images(8), images(2) // 2, images(5) // 3]
    waiting = [engine.submit(list(batch)) for batch in batches]
    for wait, batch in reversed(list(zip(waiting, batches, strict=True))):
        np.testing.assert_allclose(wait(), TorchEngine(tiny_network(), device="cpu").run(batch), atol=1e-5)


def test_a_cpu_has_one_batch_at_a_time_and_small_ones() -> None:
    engine = TorchEngine(tiny_network(), device="cpu")
    assert (engine.batches_ahead, engine.batch_size) == (0, 8)


def test_a_device_that_fails_while_it_computes_is_an_error_that_says_what_to_do() -> None:
    class Failing(Transfer):
        def download(self, tensor: Tensor) -> Callable[[], NDArray[np.float32]]:
            def wait() -> NDArray[np.float32]:
                raise RuntimeError("CUDA error: an illegal memory access was encountered\nCompile with ...")

            return wait

    engine = TorchEngine(tiny_network(), device="cpu")
    engine._transfer = Failing("cpu")
    answer = engine.submit(images(2))
    with pytest.raises(
        ModelError, match=r"cpu failed \(CUDA error: an illegal memory access was encountered\): run again"
    ):
        answer()


def test_memory_for_no_image_at_all_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ModelError, match=r"no memory left for a single image: .*choose the CPU"):
        engine_with_memory_for(0).run(images(4))


@pytest.mark.shared
def test_bf16_keeps_a_real_networks_embedding(shared: Path) -> None:
    network = checkpoint.load(shared / "checkpoints" / "vit_t16_imagenet1k.pt")
    batch = np.repeat(np.repeat(images(2, 28, 28), 8, axis=1), 8, axis=2)
    exact = TorchEngine(network, device="cpu").run(batch)
    reduced = TorchEngine(network, device="cpu", precision="bf16").run(batch)
    assert cosine(exact, reduced).min() >= 0.998


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("precision", "least"), [("fp32", 0.999999), ("bf16", 0.999), ("fp16", 0.9999)])
def test_cuda_answers_as_the_cpu(precision: str, least: float) -> None:
    network = tiny_network()
    batch = images(16)
    exact = TorchEngine(network, device="cpu", precision="fp32").run(batch)
    engine = TorchEngine(network, device="cuda", precision=precision)
    features = engine.run(batch)
    assert cosine(features, exact).min() >= least
    if precision == "fp32":
        np.testing.assert_allclose(features, exact, atol=1e-4)
