"""What all parts share: the vectors, the index folder over them, the queries, child processes, and tables."""

import contextlib
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import catalogue_rows
import numpy as np
import psutil
from generated import Generated, Labels

import retrieval.search
from retrieval.embed.embedder import available_cores
from retrieval.manifest import has_manifest
from retrieval.records import Vectors
from retrieval.search import exact
from retrieval.search.protocol import ScoredRows
from retrieval.store import VECTORS_NAME

SPECIES = 735  # that the catalogue's rows may have


@dataclass(frozen=True)
class Bench:
    """One run: these vectors, these queries, on this machine. Everything made lies in `work`."""

    made: Generated
    work: Path
    k: int
    batch: int  # queries asked together
    singles: int  # queries asked one by one
    rounds: int

    @cached_property
    def queries(self) -> Vectors:
        """New draws, (batch, d)."""
        return self.made.queries(self.batch)[0]

    @cached_property
    def truth(self) -> ScoredRows:
        """The exact neighbours of the queries, kept for later runs."""
        kept = self.work / f"{self.stem}.truth-{self.batch}-{self.k}.npz"
        if not kept.exists():
            scores, rows = exact.search(self.made.vectors, self.queries, self.k)
            np.savez(kept, scores=scores, rows=rows)
        with np.load(kept) as found:
            return found["scores"], found["rows"]

    @property
    def stem(self) -> str:
        return self.made.path.stem

    @cached_property
    def folder(self) -> Path:
        """An index folder with these vectors and catalogue rows; its search index is made by `our_build`."""
        folder = self.work / f"{self.stem}.index"
        if not has_manifest(folder):
            folder.mkdir(exist_ok=True)
            link(self.made.path, folder / VECTORS_NAME)
            species: Labels = self.made.labels % SPECIES
            say(f"filling a catalogue with {self.made.rows:,} rows")
            catalogue_rows.fill(folder, self.made.rows, self.made.seed, dimension=self.made.dimension, species=species)
        return folder

    def our_build(self, folder: Path, rows: int) -> "Build":
        """Make this project's index of the first rows, unless the code in use has made it already."""
        return built(folder, [sys.executable, "-m", "scale.our_engines", "ours"], self.job(folder, rows), _our_code())

    def job(self, folder: Path, rows: int | None = None) -> dict[str, Any]:
        """What a served engine needs to know."""
        return {
            "vectors": str(self.made.path),
            "rows": rows or self.made.rows,
            "dimension": self.made.dimension,
            "folder": str(folder),
            "threads": available_cores(),
        }

    def part(self, rows: int) -> Path:
        """A folder with the first rows only, as far as search is concerned."""
        folder = self.work / f"{self.stem}.first-{rows}"
        if not folder.exists():
            folder.mkdir()
            link(self.made.path, folder / VECTORS_NAME)
        return folder


@dataclass(frozen=True, slots=True)
class Build:
    """What making an index took."""

    seconds: float
    peak_bytes: int | None


class Served:
    """A process with a search engine in it, see `serving`; use it as a context manager."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command = command
        self._errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - a pipe would fill up
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=environment()
        )

    def ask(self, do: str, **values: Any) -> dict[str, Any]:
        """Have something done; end the benchmark, saying why, if it could not be."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            print(json.dumps({"do": do, **values}), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            code = self._process.wait()
            self._errors.seek(0)
            raise SystemExit(f"{' '.join(self.command)} ended with {code}: {last_words(self._errors.read())}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise SystemExit(f"{' '.join(self.command)} failed to {do}: {answer['error']}")
        return answer

    def __enter__(self) -> "Served":
        return self

    def __exit__(self, *_error: object) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()
        self._errors.close()


def own_process(module: str, *words: str) -> dict[str, Any]:
    """What a module prints as JSON, run in a process of its own; end the benchmark if it fails."""
    command = [sys.executable, "-m", module, *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {last_words(done.stderr)}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def environment() -> dict[str, str]:
    """Of child processes: they find these modules, use all available cores, and do not spin while they wait."""
    here = str(Path(__file__).parents[1])
    threads = str(available_cores())
    given = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads)
    path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")]))
    return {"OMP_WAIT_POLICY": "passive", **os.environ, **given, "PYTHONPATH": path}


def last_words(errors: str) -> str:
    """The last line, which says what a traceback is about."""
    return (errors.strip().splitlines() or ["without a word; killed, perhaps, for want of memory"])[-1]


def built(folder: Path, command: Sequence[str], job: dict[str, Any], code: str = "") -> Build:
    """Have an engine build its files in a process of its own; what was built by the same code stays."""
    note = folder / "built.note"
    if note.exists():
        known = json.loads(note.read_text())
        if known["code"] == code and known["rows"] == job["rows"]:
            say(f"{command[-1]}: built earlier, in {known['seconds']:.1f} s at load average {known['load']:.1f}")
            return Build(known["seconds"], known["peak_bytes"])
    folder.mkdir(parents=True, exist_ok=True)
    say(f"{command[-1]}: building {job['rows']:,} rows, load average {psutil.getloadavg()[0]:.1f}")
    with Served(command) as engine:
        answer = engine.ask("build", **job)
    note.write_text(json.dumps({**answer, "code": code, "rows": job["rows"], "load": psutil.getloadavg()[0]}))
    say(f"{command[-1]}: built in {answer['seconds']:.1f} s")
    return Build(answer["seconds"], answer["peak_bytes"])


def _our_code() -> str:
    """Changes with the code that makes the index."""
    sources = sorted(Path(retrieval.search.__path__[0]).glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def link(path: Path, target: Path) -> None:
    """The same file under another name: nobody here writes to it. A copy where the file system knows no links."""
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def one_by_one(search: Callable[[Vectors], object], queries: Vectors, limit_s: float = 5.0) -> float:
    """The median in milliseconds over queries asked alone, as many as the time allows; the first does not count."""
    search(queries[:1])
    seconds: list[float] = []
    for at in range(len(queries)):
        query = queries[at : at + 1]
        seconds.append(timed(lambda query=query: search(query)))
        if sum(seconds) > limit_s:
            break
    return 1000 * statistics.median(seconds)


def say(words: str) -> None:
    """Tell how it goes; figures alone go to standard output."""
    print(words, file=sys.stderr, flush=True)


def table(title: str, head: Sequence[str], lines: Iterable[Sequence[str]], *, left: int = 1) -> None:
    """Print lines under each other, so many columns from the left in words and the rest in figures."""
    rows = [list(head), *map(list, lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    print(f"\n{title}")
    for row in rows:
        words = [cell.ljust(width) for cell, width in zip(row[:left], widths, strict=False)]
        figures = [cell.rjust(width) for cell, width in zip(row[left:], widths[left:], strict=True)]
        print("  ".join(words + figures).rstrip(), flush=True)


def megabytes(size: float | None) -> str:
    return "-" if size is None else f"{size / 1e6:,.0f}" if size >= 1e7 else f"{size / 1e6:.1f}"
