"""Runs this project's commands as a user would, as child processes, and measures what they cost."""

import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import psutil
from trial import Pair, ordered

SAMPLED_EVERY_S = 0.02
REMOVABLE = ("exact", "same-pixels", "near")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a whole process took, and its children with it."""

    wall_s: float
    cpu_s: float  # user and system
    peak_mb: float  # resident, the most at one moment


@dataclass(frozen=True, slots=True)
class Found:
    """What `retrieval dedupe find` said, and what it took."""

    groups: list[dict[str, Any]]
    cost: Cost
    archive: Path

    def pairs(self, *kinds: str) -> set[Pair]:
        """All pairs of files within a group, of groups of these kinds; files relative to the archive."""
        chosen = (self._files(group) for group in self.groups if group["kind"] in kinds)
        return {ordered(*pair) for files in chosen for pair in combinations(files, 2)}

    def _files(self, group: dict[str, Any]) -> list[str]:
        paths = {Path(one["path"]) for one in (group["keeper"], *group["members"])}
        return sorted(path.relative_to(self.archive).as_posix() for path in paths)


def index(archive: Path, folder: Path, model: str) -> None:
    """Bring an index up to date and print its summary."""
    output = folder.with_suffix(".log")
    cost = measured(["index", str(archive), "--index", str(folder), "--model", model], output)
    summary = " | ".join(" ".join(line.split()) for line in output.read_text(encoding="utf-8").splitlines())
    print(f"indexed in {cost.wall_s:.1f} s: {summary}", flush=True)


def fresh(folder: Path) -> Path:
    """A copy of an index that knows of no earlier `find`, as long as none runs on the first."""
    copy = folder.with_name(folder.name + "-found")
    shutil.rmtree(copy, ignore_errors=True)
    return Path(shutil.copytree(folder, copy))


def find(archive: Path, folder: Path) -> Found:
    output = folder.with_suffix(".json")
    cost = measured(["dedupe", "find", "--index", str(folder), "--format", "json"], output)
    answer = json.loads(output.read_text(encoding="utf-8", errors="surrogateescape"))
    return Found([*answer["groups"], *answer.get("apart", [])], cost, archive.resolve())


def measured(words: list[str], output: Path) -> Cost:
    """Run `retrieval`, its standard output into a file; end the benchmark, with its last words, if it fails."""
    errors = output.with_suffix(".errors")
    environment = {"OMP_WAIT_POLICY": "passive", **os.environ}  # threads that spin would count as work
    command = [sys.executable, "-m", "retrieval", *words]
    with output.open("wb") as stdout, errors.open("wb") as stderr:
        begun = time.perf_counter()
        child = psutil.Popen(command, stdout=stdout, stderr=stderr, cwd=output.parent, env=environment)
        samples = list(_samples(child))
        wall_s = time.perf_counter() - begun
    if child.returncode:
        raise SystemExit(f"retrieval {' '.join(words)}: {errors.read_text(encoding='utf-8', errors='replace')[-2000:]}")
    return Cost(wall_s, max(cpu_s for cpu_s, _ in samples), max(peak_mb for _, peak_mb in samples))


def _samples(child: psutil.Popen) -> Iterator[tuple[float, float]]:
    """CPU seconds so far and resident megabytes of a process and its children, until it ends."""
    while child.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):  # one of them has just ended
            family = [child, *child.children(recursive=True)]
            spent = [process.cpu_times() for process in family]
            ended = (getattr(spent[0], name, 0.0) for name in ("children_user", "children_system"))
            cpu_s = sum(times.user + times.system for times in spent) + sum(ended)
            yield cpu_s, sum(process.memory_info().rss for process in family) / 1e6
        time.sleep(SAMPLED_EVERY_S)
