"""Nearest-neighbour species accuracy over a folder of species folders, leave one out, beside exact search and chance.

python tests/bench/species.py FOLDER --model FILE
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from retrieval import Index
from retrieval.search import exact


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, Index.create(f"{scratch}/index", model=arguments.model) as index:
        report = index.add(arguments.folder)
        photos = sorted(failing_removed(index, arguments.folder))
        print(
            f"{report.added} photos indexed, {report.failed} failed, {report.embedded / report.elapsed_s:.1f} photos/s"
        )
        answers = list(index.query_many(photos, k=len(photos)))
        selves = [answer.hits[0] for answer in answers]
        first = np.mean([hit.path == path for hit, path in zip(selves, photos, strict=True)])
        lowest = min(hit.score for hit in selves)
        print(f"finds itself first: {first:.4f} of photos, lowest cosine {lowest:.4f}")
        nearest = [
            next(hit.path for hit in answer.hits if hit.path != path)
            for path, answer in zip(photos, answers, strict=True)
        ]
        print(f"accuracy of the index:      {accuracy(photos, nearest):.4f}")
        print(f"accuracy of exact search:   {accuracy(photos, judged(index, photos)):.4f}")
        print(f"accuracy of chance:         {chance(photos):.4f}")


def failing_removed(index: Index, folder: Path) -> set[Path]:
    failed = {failure.path for failure in index.failures()}
    answer = index.query(np.zeros((8, 8, 3), np.uint8), k=10**6)
    return {hit.path for hit in answer.hits} - failed


def judged(index: Index, photos: Sequence[Path]) -> list[Path]:
    """The nearest other photo by exact search over single-precision vectors, made without the index."""
    vectors = np.stack([embedding.vector for embedding in index.embedder.embed(photos)])
    _, rows = exact.search(vectors, vectors, 2)
    return [photos[next(row for row in line if row != own)] for own, line in enumerate(rows.tolist())]


def accuracy(photos: Sequence[Path], nearest: Sequence[Path]) -> float:
    return float(np.mean([own.parent == other.parent for own, other in zip(photos, nearest, strict=True)]))


def chance(photos: Sequence[Path]) -> float:
    """The share of pairs of different photos that have one species."""
    counts = np.array(list(Counter(path.parent for path in photos).values()))
    return float((counts * (counts - 1)).sum() / (len(photos) * (len(photos) - 1)))


if __name__ == "__main__":
    main()
