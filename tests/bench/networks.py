"""Photos a second of one network beside another on the same pixels, in turn: a busy machine troubles both alike.

    python tests/bench/networks.py FILE [--beside flagship-size] [--device cpu] [--precision fp32]

Without another file the network stands beside one of the flagship's size with random weights.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from retrieval.engines.torch.engine import TorchEngine
from retrieval.models import checkpoint
from retrieval.models.checkpoint import Checkpoint
from retrieval.models.transform import InputTransform
from retrieval.models.vit import VisionTransformer, VitConfig

FLAGSHIP_SIZE = VitConfig((384, 384), 16, 768, 12, 12, 3072, registers=4, class_token=True, classes=735)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--beside", type=Path, help="another checkpoint")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    other = checkpoint.load(arguments.beside) if arguments.beside else random_weights(FLAGSHIP_SIZE)
    engines = [
        TorchEngine(network, device=arguments.device, precision=arguments.precision)
        for network in (checkpoint.load(arguments.file), other)
    ]
    rates = np.array([[rate(engine) for engine in engines] for _ in range(arguments.rounds)])
    for name, column in zip((arguments.file.stem, arguments.beside or "flagship size"), rates.T, strict=True):
        print(f"{name}: median {np.median(column):.2f} photos/s")
    ratios = rates[:, 0] / rates[:, 1]
    print(f"ratio, round by round: median {np.median(ratios):.1f}, {ratios.min():.1f} to {ratios.max():.1f}")


def rate(engine: TorchEngine, at_least_s: float = 3.0) -> float:
    """Photos a second of batches of 8, for at least so long."""
    height, width = engine.transform.height, engine.transform.width
    images = np.random.default_rng(0).integers(0, 256, (8, height, width, 3), dtype=np.uint8)
    engine.run(images[:1])
    done, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < at_least_s:
        engine.run(images)
        done += len(images)
    return done / (time.perf_counter() - begun)


def random_weights(config: VitConfig) -> Checkpoint:
    torch.manual_seed(0)
    state = VisionTransformer(config).state_dict()
    transform = InputTransform(*config.image_size, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    return Checkpoint(config, tuple(f"species {index}" for index in range(config.classes)), transform, state)


if __name__ == "__main__":
    main()
