"""Kills what changes the search index at every point, one after another, and looks at what a reader finds then.

Run as a program of its own with one thread, since it forks: `search_kill_points.py FOLDER ROWS CHANGE`, where FOLDER
has vectors and an index of the first ROWS of them. It prints what went wrong, and last the number of points.
"""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from kill_points import Killer

from retrieval.search import exact
from retrieval.search.ivf.search import IvfSearch
from retrieval.search.ivf.settings import IvfSettings
from retrieval.search.ivf.storage import IvfFile
from retrieval.search.recall import recall_at_k
from retrieval.search.selection import Selection
from retrieval.search.targets import Targets
from retrieval.search.vectors import VectorFile

D = 64
NONE = np.empty(0, dtype=np.int64)
SETTINGS = IvfSettings(coded_from=600, small_rows=200, least_tail=100, tail_per_root=1)


class Bench:
    """One index, put back to its beginning before every kill."""

    def __init__(self, folder: Path, before: int, change: str) -> None:
        self.folder, self.change = folder, change
        self.file = VectorFile(folder / "vectors.f16", D)
        self.rows = self.file.count()
        self.dead = np.arange(0, self.rows, 3) if change == "compact" else NONE
        self.before = before
        self.saved = folder.with_name("saved")
        shutil.copytree(folder, self.saved)

    def search(self) -> IvfSearch:
        return IvfSearch(self.file, IvfFile(self.folder, D, SETTINGS), SETTINGS)

    def work(self) -> None:
        search = self.search()
        if self.change == "optimise":
            search.rebuild(self.rows, self.dead, Targets(0.95, memory_bytes=1000))
        else:
            search.refresh(self.rows, self.dead)

    def killed(self, point: int, torn: bool) -> bool:
        """Do the work in a child process that is killed at a point; False if it came to its end before."""
        pid = os.fork()
        if pid == 0:
            Killer(point, torn, [path for path in self.folder.iterdir() if path.is_file()])
            self.work()
            os._exit(0)
        status = os.waitpid(pid, 0)[1]
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            raise RuntimeError("the work failed by itself")
        return os.WIFSIGNALED(status)

    def faults(self) -> list[str]:
        """What is wrong now: for a reader, and for the next writer."""
        found = self.answers("a reader")
        self.search().refresh(self.rows, self.dead)
        found += self.answers("a reader after the next run")
        found += [problem.what for problem in self.search().check(self.rows, self.dead, seed=0)]
        if self.file.path.read_bytes() != (self.saved / "vectors.f16").read_bytes():
            found.append("the vectors have changed")
        left = [path.name for path in self.folder.iterdir() if path.suffix not in (".f16", ".faiss", ".json")]
        return found + [f"{name} is left over" for name in left]

    def answers(self, who: str) -> list[str]:
        vectors = self.file.read(self.rows)
        selection = Selection.of(self.rows, self.dead)
        alive = np.setdiff1d(np.arange(self.rows), self.dead)
        queries = vectors[alive[:: len(alive) // 60]].astype(np.float32)
        found = self.search().search(queries, 20, selection)
        truth = exact.search(vectors, queries, 20, rows=alive)
        recalls = recall_at_k(found[1], truth, vectors, queries)
        faults = [] if recalls.mean() > 0.93 else [f"{who} finds {recalls.mean():.3f} of what there is"]
        return faults if np.isin(found[1], alive).all() else [*faults, f"{who} finds the dead"]

    def sweep(self, report: Callable[[str], None]) -> int:
        points = 0
        for torn in (False, True):
            point = 1
            while True:
                shutil.rmtree(self.folder)
                shutil.copytree(self.saved, self.folder)
                if not self.killed(point, torn):
                    break
                points += 1
                for fault in self.faults():
                    report(f"killed at {'torn ' if torn else ''}point {point}: {fault}")
                point += 1
        return points


def main() -> None:
    folder, before, change = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    print(Bench(folder, before, change).sweep(print))


if __name__ == "__main__":
    main()
