"""One search engine in a process of its own, which builds, opens, searches and weighs it as it is told line by line.

Knows NumPy and nothing of this project: the engines of other libraries are run by a Python of theirs.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scale.memory import Peak, mapped_bytes, own_bytes

Vectors = NDArray[Any]  # (n, d), half or single precision
Rows = NDArray[np.int64]  # (m, k), row numbers; -1 where nothing was found

BLOCK_ROWS = 20_000  # of the file, brought to single precision together
SAMPLES, SAMPLED_S = 20, 3.0  # of mapped memory while a batch is searched; no longer than that


@dataclass(frozen=True, slots=True)
class Job:
    """The vectors an engine is for, where its own files lie, and how many threads it may use."""

    vectors: Path
    rows: int
    dimension: int
    folder: Path
    threads: int

    def read(self) -> Vectors:
        """The vectors, mapped: (n, d) in half precision."""
        return np.memmap(self.vectors, dtype="<f2", mode="r", shape=(self.rows, self.dimension))

    def blocks(self) -> Any:
        """Pairs of a first row and the vectors from there on in single precision, some at a time."""
        vectors = self.read()
        for start in range(0, self.rows, BLOCK_ROWS):
            yield start, np.asarray(vectors[start : start + BLOCK_ROWS], dtype=np.float32)


class Engine(Protocol):
    """A way to find the k vectors of highest inner product."""

    def build(self, job: Job) -> None:
        """Make the files in `job.folder`."""

    def open(self, job: Job) -> None:
        """Read them again, in another process."""

    def set(self, knob: float) -> None:
        """Choose how much to look at: more is better and slower."""

    def search(self, queries: NDArray[np.float32], k: int) -> Rows:
        """Row numbers, (m, k)."""


class Served:
    """What can be asked of an engine, in plain values."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._files = Path()
        self._before: int | None = None

    def build(self, **job: Any) -> dict[str, Any]:
        with Peak() as peak:
            begun = time.perf_counter()
            self._engine.build(_job(job))
            return {"seconds": time.perf_counter() - begun, "peak_bytes": peak.bytes}

    def open(self, **job: Any) -> dict[str, Any]:
        ready = _job(job)
        _warm(ready.dimension)
        self._files, self._before = ready.vectors.parent, own_bytes()
        begun = time.perf_counter()
        self._engine.open(ready)
        return {"seconds": time.perf_counter() - begun}

    def set(self, knob: float) -> dict[str, Any]:
        self._engine.set(knob)
        return {}

    def batch(self, queries: str, k: int, found: str | None = None) -> dict[str, Any]:
        asked = np.load(queries)
        begun = time.perf_counter()
        rows = self._engine.search(asked, k)
        elapsed_s = time.perf_counter() - begun
        if found is not None:
            np.save(found, np.asarray(rows, dtype=np.int64))
        return {"seconds": elapsed_s}

    def singles(self, queries: str, k: int, limit_s: float) -> dict[str, Any]:
        """Seconds of each query alone, until there are no more or the time is over."""
        seconds: list[float] = []
        for query in np.load(queries):
            begun = time.perf_counter()
            self._engine.search(query[np.newaxis], k)
            seconds.append(time.perf_counter() - begun)
            if sum(seconds) > limit_s:
                break
        return {"seconds": seconds}

    def memory(self, queries: str, k: int) -> dict[str, Any]:
        """What the open index holds: memory of its own, and at most, in a batch, pages of mapped files."""
        asked, begun = np.load(queries), time.perf_counter()
        with Peak(lambda: mapped_bytes(self._files)) as mapped:
            while mapped.samples < SAMPLES and time.perf_counter() - begun < SAMPLED_S:
                self._engine.search(asked, k)
        after = own_bytes()
        own = None if after is None or self._before is None else max(0, after - self._before)
        return {"own_bytes": own, "mapped_bytes": mapped.bytes}


def serve(make: Callable[[], Engine]) -> None:
    """Answer each line of standard input with one of standard output, until there are no more."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    served = Served(make())
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(served, request.pop("do"))(**request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def _warm(dimension: int) -> None:
    """Have NumPy make the buffers that its threads keep: they are no part of the index."""
    ones = np.ones((2048, dimension), np.float32)
    _ = ones @ ones.T


def _job(values: dict[str, Any]) -> Job:
    return Job(**{**values, "vectors": Path(values["vectors"]), "folder": Path(values["folder"])})
