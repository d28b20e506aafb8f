"""The part `pairs`: the k nearest of every row, at a quarter, half and all of the rows, each in its own process."""

import json
import math
import sys
import time
from pathlib import Path

import numpy as np

from retrieval.search import exact
from retrieval.search.recall import recall_at_k
from scale.bench import Bench, megabytes, own_process, say, table
from scale.memory import Peak, mapped_bytes
from scale.ours import Ours

SAMPLE = 200  # rows that recall is measured on
FAR = 1_000_000  # rows to which times are extrapolated


def run(bench: Bench) -> None:
    """Print the table, and what it would come to at a million."""
    sizes = sorted({max(1, bench.made.rows // part) for part in (4, 2, 1)})
    found = [_measured(bench, rows) for rows in sizes]
    head = ("rows", "s", "rows/s", f"recall@{bench.k}", "own peak MB", "mapped MB", "index build s")
    lines = [
        [
            f"{rows:,}",
            f"{one['seconds']:.1f}",
            f"{rows / one['seconds']:,.0f}",
            f"{one['recall']:.4f}",
            megabytes(one["peak_bytes"]),
            megabytes(one["mapped_bytes"]),
            f"{one['build_s']:.1f}",
        ]
        for rows, one in zip(sizes, found, strict=True)
    ]
    table(f"pairs, the {bench.k} nearest of every row", head, lines)
    if len(sizes) > 1:
        print(growth(sizes, [one["seconds"] for one in found]))


def growth(sizes: list[int], seconds: list[float]) -> str:
    """How time grows with rows, and where that leads."""
    powers = [math.log(seconds[at + 1] / seconds[at], sizes[at + 1] / sizes[at]) for at in range(len(sizes) - 1)]
    words = "time grows with rows to the power of " + ", then ".join(f"{power:.2f}" for power in powers)
    if sizes[-1] >= FAR:
        return words
    linear, so = (seconds[-1] * (FAR / sizes[-1]) ** power for power in (1, max(1, powers[-1])))
    words += f"; not measured: {FAR:,} rows would take {linear:,.0f} s if it were linear, "
    return words + f"{so:,.0f} s if it goes on so"


def _measured(bench: Bench, rows: int) -> dict[str, float]:
    folder = bench.folder if rows == bench.made.rows else bench.part(rows)
    build = bench.our_build(folder, rows)
    say(f"the {bench.k} nearest of each of {rows:,} rows")
    words = (str(folder), str(bench.made.dimension), str(rows), str(bench.k))
    return {**own_process("scale.pairs", *words), "build_s": build.seconds}


def all_pairs(folder: Path, dimension: int, rows: int, k: int) -> dict[str, float | None]:
    """The pass itself: its time, its memory, and how many of the exact neighbours it found."""
    ours = Ours(folder, dimension, rows)
    sample = np.sort(np.random.default_rng(0).choice(rows, min(SAMPLE, rows), replace=False))
    place = np.full(rows, -1, dtype=np.int64)
    place[sample] = np.arange(len(sample))
    kept = np.full((len(sample), k), -1, dtype=np.int64)
    with Peak() as peak, Peak(lambda: mapped_bytes(folder)) as mapped:
        begun = time.perf_counter()
        for some, found in ours.of_all(k):
            wanted = place[some] >= 0
            kept[place[some][wanted]] = found[wanted]
        elapsed_s = time.perf_counter() - begun
    return {
        "seconds": elapsed_s,
        "recall": _recall(ours, sample, kept, k),
        "peak_bytes": peak.bytes,
        "mapped_bytes": mapped.bytes,
    }


def _recall(ours: Ours, sample: np.ndarray, found: np.ndarray, k: int) -> float:
    """Against exact search, each row taken out of its own answer on both sides."""
    vectors = ours.vectors
    queries = vectors[sample].astype(np.float32)
    scores, rows = exact.search(vectors, queries, k + 1)
    truth = exact.without_own((scores, rows), sample, k)
    return float(recall_at_k(found, truth, vectors, queries).mean())


if __name__ == "__main__":
    print(json.dumps(all_pairs(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
