"""Kills `apply` and `undo` at every point there is, one after another, and looks whether anything was lost.

Run as a program of its own, free of threads, since it forks: `kill_points.py ARCHIVE INDEX PLAN MODE [across]`. It
prints what went wrong, and last the number of points. A point is the moment before a call that changes the disk;
at those that sync a file, what was not yet synced is torn in half as well, as a power cut may do.
"""

import errno
import io
import os
import pickle
import shutil
import signal
import stat
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from removals import Tree, rows, tree
from sqlalchemy.engine.default import DefaultDialect

from retrieval.dedupe.plan.records import Plan
from retrieval.dedupe.run.apply import apply
from retrieval.dedupe.run.journal import journals
from retrieval.dedupe.run.records import ApplyOptions, Mode
from retrieval.dedupe.run.undo import undo
from retrieval.store import Store


class Killer:
    """Counts the calls that change the disk, and kills this process before the one that is asked for.

    When tearing, only the syncs of files count.
    """

    def __init__(self, point: int, torn: bool, safe: Iterable[Path]) -> None:
        self.point, self.torn, self.count = point, torn, 0
        self._safe = {path.stat().st_ino: path.stat().st_size for path in safe}  # bytes that a power cut leaves alone
        os.fsync = self._fsync
        if torn:
            return
        for name in ("replace", "rename", "unlink", "link", "mkdir", "rmdir", "utime"):
            setattr(os, name, self._counted(getattr(os, name)))
        os.open = self._counted(os.open, lambda _path, flags, *_rest, **_: bool(flags & os.O_EXCL))
        io.open = self._counted(io.open, lambda _path, mode="r", *_rest, **_: "x" in mode)
        shutil.copyfileobj = self._halved(shutil.copyfileobj)
        DefaultDialect.do_commit = self._counted(DefaultDialect.do_commit)

    def _step(self) -> bool:
        self.count += 1
        return self.count == self.point

    def _counted(self, function, applies: Callable[..., bool] = lambda *_args, **_options: True):
        def counted(*args, **options):
            if applies(*args, **options) and self._step():
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **options)

        return counted

    def _fsync(self, handle: int) -> None:
        facts = os.fstat(handle)
        if self.torn and not stat.S_ISREG(facts.st_mode):
            return
        if self._step():
            if self.torn:
                safe = self._safe.get(facts.st_ino, 0)
                os.truncate(handle, safe + (facts.st_size - safe) // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        self._safe[facts.st_ino] = facts.st_size

    def _halved(self, function):
        def copy(reader, writer, *rest):
            if self._step():
                writer.write(reader.read(3))
                writer.flush()
                os.kill(os.getpid(), signal.SIGKILL)
            return function(reader, writer, *rest)

        return copy


def pretend_file_systems() -> None:
    """Let no rename lead out of its folder."""
    replace = os.replace

    def within(source, target):
        if Path(source).parent != Path(target).parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link", str(source))
        replace(source, target)

    os.replace = within


class Bench:
    """One library, put back to its beginning before every kill."""

    def __init__(self, archive: Path, index: Path, plan: Plan, mode: Mode) -> None:
        self.archive, self.index, self.plan = archive, index, plan
        self.options = ApplyOptions(mode)
        self.faults: list[str] = []
        self.points = self.turn = 0
        self.saved = archive.parent / "saved"
        self.folders = [archive, index, Path(os.environ["HOME"])]  # the trash is in the last one
        # Opened once, for all points and children: SQLAlchemy takes its time to compile each question anew.
        self.store = Store.open(index)
        self.store.close()
        self.save("begin")
        self.before = self.look()
        self.apply()
        self.after = self.look()
        self.store.close()
        self.save("end")

    def save(self, name: str) -> None:
        for folder in self.folders:
            shutil.copytree(folder, self.saved / name / folder.name)

    def reset(self, name: str) -> None:
        self.store.close()
        for folder in self.folders:
            shutil.rmtree(folder)
            shutil.copytree(self.saved / name / folder.name, folder)

    def look(self) -> tuple[Tree, dict[bytes, tuple[object, ...]]]:
        run = next((journal.header.run for journal in journals(self.index)), "")
        return tree(self.archive, run=run), rows(self.store)

    def contents(self) -> list[str]:
        """Return the hash of each file in the archive and in the trash."""
        trees = [tree(self.archive), tree(self.folders[-1] / ".local/share/Trash/files")]
        return sorted(facts[0] for found in trees for facts in found.values() if facts)

    def apply(self) -> None:
        apply(self.store, self.plan, self.options)

    def undo(self) -> None:
        for journal in reversed(list(journals(self.index))):
            undo(self.store, journal.header.run)

    def killed(self, work: Callable[[], None], point: int, torn: bool) -> bool:
        """Do something in a child process that is killed at a point; False if it came to its end before."""
        self.store.close()  # a connection must not cross a fork
        pid = os.fork()
        if pid == 0:
            Killer(point, torn, (path for path in self.archive.parent.rglob("*") if path.is_file()))
            self.survive(work)
            sys.stdout.flush()
            os._exit(len(self.faults) > 0)
        status = os.waitpid(pid, 0)[1]
        if status and not os.WIFSIGNALED(status):
            self.faults.append(f"point {point}: {work.__name__} failed")
        return os.WIFSIGNALED(status)

    def survive(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:
            self.faults.append(traceback.format_exc())
            print(self.faults[-1])

    def expect(self, what: str, wanted: object) -> None:
        found = self.look()
        if found != wanted:
            ignored_pairs = [f"{name}: {found[0].get(name)}" for name in found[0].keys() ^ wanted[0].keys()]
            ignored_pairs += [f"row {name}: {row}" for name, row in found[1].items() if wanted[1].get(name) != row]
            ignored_pairs += [f"changed {n}" for n in found[0].keys() & wanted[0].keys() if found[0][n] != wanted[0][n]]
            self.faults.append(f"{what}: {ignored_pairs}")

    def every_point(self, begin: str, work: Callable[[], None], check: Callable[[str], None]) -> None:
        for torn in (False, True):
            point = 1
            while True:
                self.reset(begin)
                if not self.killed(work, point, torn):
                    break
                check(f"{work.__name__}{' torn' if torn else ''} killed at point {point}")
                point += 1
                self.points += 1

    def run(self) -> None:
        def then_undone(what: str) -> None:
            self.survive(self.undo)
            self.expect(f"{what}, then undone", self.before)

        def then_applied(what: str) -> None:
            self.survive(self.apply)
            self.expect(f"{what}, then applied", self.after)
            self.survive(self.undo)
            self.expect(f"{what}, then applied and undone", self.before)

        def then_undone_again(what: str) -> None:
            self.survive(self.undo)
            self.survive(self.undo)
            self.expect(f"{what}, then undone twice", self.before)

        wanted = sorted(facts[0] for facts in self.before[0].values() if facts)

        def undo_then_applied(what: str) -> None:
            self.survive(self.apply)
            if self.contents() != wanted:
                self.faults.append(f"{what}, then applied: bytes were lost or doubled")
            self.survive(self.undo)
            self.expect(f"{what}, then applied and all undone", self.before)

        def then_applied_alone(what: str) -> None:
            self.survive(self.apply)
            self.expect(f"{what}, then applied", self.after)

        def killed_twice(what: str) -> None:
            self.turn += 1
            self.killed(self.undo if self.turn % 2 else self.apply, 1 + self.turn % 29, torn=False)
            self.survive(self.undo)
            self.expect(f"{what}, and its {'undo' if self.turn % 2 else 'repetition'} as well", self.before)

        if self.options.mode == Mode.DELETE:  # there is no way back but for what was in hand
            self.every_point(
                "begin", self.apply, lambda what: (self.survive(self.apply), self.expect(what, self.after))
            )
            return
        self.every_point("begin", self.apply, then_undone)
        self.every_point("begin", self.apply, then_applied)
        self.every_point("begin", self.apply, killed_twice)
        self.every_point("end", self.undo, then_undone_again)
        self.every_point("end", self.undo, undo_then_applied)


def main() -> None:
    archive, index, plan, mode = sys.argv[1:5]
    os.fsync = lambda _handle: None  # what a killed process has written stays written; thousands of syncs take minutes
    if "across" in sys.argv:
        pretend_file_systems()
    bench = Bench(Path(archive), Path(index), pickle.loads(Path(plan).read_bytes()), Mode(mode))
    bench.run()
    for fault in bench.faults:
        print(fault)
    print(bench.points)


if __name__ == "__main__":
    main()
