"""The part `open`: from the start of a process to its first answer, and what of that is opening the index."""

import statistics
import time

import numpy as np

from scale.bench import Bench, own_process, table

TIMES = 5


def run(bench: Bench) -> None:
    """Print the table: medians over some processes, the files in the system's cache."""
    bench.our_build(bench.folder, bench.made.rows)
    asked = bench.work / f"{bench.stem}.query.npy"
    np.save(asked, bench.queries[:1])
    runs = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        steps = own_process("scale.first_answer", str(bench.folder), str(asked), str(bench.k))
        runs.append({**steps, "whole process": time.perf_counter() - begun})
    medians = {name: statistics.median(one[name] for one in runs) for name in runs[0]}
    lines = [[name, f"{1000 * seconds:,.0f}"] for name, seconds in medians.items()]
    table(f"open, median of {TIMES} processes", ("step", "ms"), lines)
