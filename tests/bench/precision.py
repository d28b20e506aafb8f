"""What a precision keeps of fp32: the 20 nearest photos, the species of the nearest, the vectors; and its speed.

    python tests/bench/precision.py FOLDER --model FILE [--precision bf16 --precision int8]

A photo's folder is its species; each photo is asked for its neighbours among all others. int8 is calibrated by the
index itself, on a part of the photos. The networks take turns at the same pixels, to be compared on a busy machine.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from species import accuracy, failing_removed

from retrieval import Embedder, Index
from retrieval.embed.embedder import available_cores
from retrieval.search import exact

K = 20
PASSED = 32  # photos in a turn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--precision", action="append", help="repeatable; bf16 and int8 if not given")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    precisions = ["fp32", *(arguments.precision or ["bf16", "int8"])]
    with tempfile.TemporaryDirectory() as scratch:
        indexes = {name: made(Path(scratch) / name, name, arguments) for name in precisions}
        photos = sorted(failing_removed(indexes["fp32"], arguments.folder))
        vectors = {
            name: np.stack([one.vector for one in index.embedder.embed(photos)]) for name, index in indexes.items()
        }
        nearest = {name: neighbours(some) for name, some in vectors.items()}
        rates = speeds([index.embedder for index in indexes.values()], photos[:PASSED], arguments.rounds)
        for number, name in enumerate(precisions):
            same = np.mean([len({*a} & {*b}) / K for a, b in zip(nearest[name], nearest["fp32"], strict=True)])
            right = accuracy(photos, [photos[rows[0]] for rows in nearest[name]])
            cosines = (vectors[name] * vectors["fp32"]).sum(axis=1)
            ratio = rates[:, number] / rates[:, 0]
            print(
                f"{name}: the {K} nearest agree to {same:.4f}, accuracy {right:.4f}, cosine {cosines.mean():.5f} on "
                f"average, {cosines.min():.4f} at least; {np.median(rates[:, number]):.2f} photos/s, "
                f"{np.median(ratio):.2f} times fp32 ({ratio.min():.2f} to {ratio.max():.2f})"
            )
        for index in indexes.values():
            index.close()


def made(folder: Path, precision: str, arguments: argparse.Namespace) -> Index:
    index = Index.create(folder, model=arguments.model, precision=precision, device="cpu")
    report = index.add(arguments.folder)
    print(f"{precision}: {report.embedded} photos indexed in {report.elapsed_s:.1f} s, calibration included")
    return index


def neighbours(vectors: np.ndarray) -> list[list[int]]:
    """For each photo the rows of the K nearest others."""
    _, rows = exact.search(vectors, vectors, K + 1)
    return [[row for row in line if row != own][:K] for own, line in enumerate(rows.tolist())]


def speeds(embedders: list[Embedder], photos: list[Path], rounds: int) -> np.ndarray:
    """Photos a second of each network on the same pixels, decoded before: (rounds, networks)."""
    preparation = embedders[0].preparation
    pixels = np.stack([preparation.image(path) for path in photos])
    return np.array([[speed(embedder, pixels) for embedder in embedders] for _ in range(rounds)])


def speed(embedder: Embedder, pixels: np.ndarray) -> float:
    engine = embedder.network.load().engine
    engine.run(pixels[: 2 * available_cores()])  # compiled
    begun = time.perf_counter()
    for start in range(0, len(pixels), engine.batch_size):
        engine.run(pixels[start : start + engine.batch_size])
    return len(pixels) / (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
