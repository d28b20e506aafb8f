"""What benchmarks share: runs in turn, and one table of what was measured beside what."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from retrieval.errors import RetrievalError


class Row(NamedTuple):
    what: str
    ours: str
    beside: str = ""
    ratio: float | None = None


class Table:
    """Rows, printed when all are there; progress goes to stderr."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def add(self, what: str, ours: str, beside: str = "", ratio: float | None = None) -> None:
        self.rows.append(Row(what, ours, beside, ratio))
        print(f"{what}: {ours}; {beside}", file=sys.stderr)

    @contextmanager
    def part(self, what: str) -> Iterator[None]:
        """Go on after a part that cannot be had here."""
        try:
            yield
        except subprocess.CalledProcessError as error:
            self.add(what, f"failed: {(error.stderr or str(error)).strip().splitlines()[-1]}")
        except (RetrievalError, OSError, RuntimeError) as error:
            self.add(what, f"failed: {error}")

    def print(self) -> None:
        lines = [("what", "ours", "beside it", "ratio")]
        lines += [(row.what, row.ours, row.beside, f"{row.ratio:.3g}" if row.ratio else "") for row in self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(4)]
        for line in lines:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def in_turn(rounds: int, **runs: Callable[[], object]) -> dict[str, list[float]]:
    """Seconds of each, round by round; one round before is not counted."""
    elapsed: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            begun = time.perf_counter()
            stated = run()
            if number:
                elapsed[name].append(stated if isinstance(stated, float) else time.perf_counter() - begun)
    return elapsed


def ratio(first: list[float], second: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(first, second, strict=True))


def output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
