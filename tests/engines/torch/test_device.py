"""Devices and how much they take at once. The names of devices are tested with the engine."""

import pytest
import torch
from tiny import tiny_network

from retrieval.engines.torch.device import bytes_an_image, free_memory, images_at_once
from retrieval.engines.torch.engine import TorchEngine
from retrieval.models.vit import VitConfig

FLAGSHIP = VitConfig((384, 384), 16, 768, 12, 12, 3072, registers=4, class_token=True, classes=735)
SMALL = VitConfig((224, 224), 16, 192, 12, 3, 768, registers=0, class_token=True, classes=1000)
MUCH = 80 * 2**30


@pytest.mark.parametrize(("config", "images"), [(FLAGSHIP, 128), (SMALL, 256)])
def test_a_gpu_with_memory_takes_what_keeps_it_busy(config: VitConfig, images: int) -> None:
    assert images_at_once(config, "cuda:1", MUCH) == images


@pytest.mark.parametrize("free_bytes", [0, 10**6, 10**8, 10**9, 3 * 10**9])
def test_a_gpu_with_little_memory_takes_what_fits_into_half_of_it(free_bytes: int) -> None:
    images = images_at_once(FLAGSHIP, "cuda", free_bytes)
    assert images == 1 or images * bytes_an_image(FLAGSHIP) <= free_bytes / 2
    assert (images + 1) * bytes_an_image(FLAGSHIP) > free_bytes / 2 or images == 128


def test_what_has_no_memory_of_its_own_is_given_what_serves_it_best() -> None:
    assert free_memory("cpu") is None
    assert images_at_once(FLAGSHIP, "cpu", None) == images_at_once(SMALL, "cpu", None) == 8
    assert images_at_once(FLAGSHIP, "mps", None) == 32


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_image_takes_no_more_than_foreseen(precision: str) -> None:
    checkpoint = tiny_network(image_size=(384, 384), width=768, heads=12)
    engine = TorchEngine(checkpoint, device="cuda", precision=precision)
    images = torch.zeros((16, 384, 384, 3), dtype=torch.uint8).numpy()
    engine.run(images)  # the libraries take their workspaces
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    engine.run(images)
    assert torch.cuda.max_memory_allocated() - before <= 16 * bytes_an_image(checkpoint.config)
