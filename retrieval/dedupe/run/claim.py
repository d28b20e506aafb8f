"""Claims a file before it is removed, so that no other process can take it for a copy that stays.

A claim renames the file to a name of its own, and only then looks at the file and at its keeper again. Of two runs that
would each remove the other's keeper, the one that looks last finds its keeper gone and puts its file back: at least one
of them does, also without any lock. A keeper that vanishes or changes in that moment may also be the same file, reached
through another mount.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from retrieval.dedupe.plan.records import PlannedFile
from retrieval.dedupe.run.checks import check_file
from retrieval.dedupe.run.fingerprint import fingerprint, is_one_file, plain_file_status
from retrieval.dedupe.run.records import Change
from retrieval.errors import Remedy, RunError

TICK_NS = 10_000_000  # the coarsest clock that a kernel stamps changes of files with


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """A change, and the file that must be there for it: none for a sidecar that is only moved."""

    change: Change
    keeper: PlannedFile | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A file that was renamed to `path` and is not removed yet."""

    change: Change
    path: Path
    keeper: PlannedFile | None
    keeper_before: os.stat_result | None  # just before the file was renamed

    def look_again(self) -> None:
        """Raise RunError unless the file and its keeper are still two files with the planned bytes."""
        original, found = self.change.original, fingerprint(self.path)
        if (found.size, found.mtime_ns, found.sha256) != (original.size, original.mtime_ns, original.sha256):
            raise RunError(f"{self.change.path} changed while it was being removed", Remedy.FIND_AGAIN)
        if self.keeper is None:
            return
        if os.path.lexists(self.keeper.path):
            check_file(self.keeper)  # opens the file: a network file system then knows its status anew
        self.check_keeper()

    def check_keeper(self) -> None:
        """Raise RunError unless the keeper is the same file as before, and another one than this; reads no bytes."""
        if self.keeper is None or self.keeper_before is None:
            return
        path, keeper = self.change.path, self.keeper.path
        if not os.path.lexists(keeper):
            raise RunError(
                f"{path} stays, because its keeper {keeper} was gone at the same moment: another program removed it, "
                "or both are one file"
            )
        now = plain_file_status(keeper)
        if is_one_file(now, plain_file_status(self.path)):
            raise RunError(f"{path} and its keeper {keeper} are one file, so it stays")
        if _identity(now) != _identity(self.keeper_before):
            raise RunError(
                f"{path} stays, because its keeper {keeper} changed at the same moment: another program is at work, or "
                "both are one file"
            )


def claim(planned: PlannedChange, path: Path) -> Claim:
    """Rename the file of a change to `path`, in the same folder or in one inside that. The journal knows of it."""
    change, keeper = planned.change, planned.keeper
    before = None if keeper is None else _settled_status(keeper.path)
    if path.parent != change.path.parent:
        path.parent.mkdir()
    if os.path.lexists(path):
        raise RunError(f"{path} is in the way")
    try:
        os.rename(change.path, path)  # noqa: PTH104
    except FileNotFoundError as error:
        raise RunError(f"{change.path} is missing") from error
    return Claim(change, path, keeper, before)


def _settled_status(path: Path) -> os.stat_result:
    """Return the status of a file, so that any later change shows in it: not within one tick of the last change."""
    age = time.time_ns() - plain_file_status(path).st_ctime_ns
    if 0 <= age < TICK_NS:
        time.sleep((TICK_NS - age) / 1e9)
    return plain_file_status(path)


def _identity(status: os.stat_result) -> tuple[int, int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
