"""What a run, or undoing one, did and left alone; and runs in a list. Plain records."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from retrieval.dedupe.plan.records import Kind
from retrieval.dedupe.run.records import Mode
from retrieval.errors import Remedy, RetrievalError, RunError


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that was left as it is, and why."""

    group: int  # of the plan
    path: Path
    what: str  # is in the way
    remedy: Remedy | None = None

    @property
    def error(self) -> RunError:
        """The same as an error, with the remedy as data."""
        return RunError(self.what, self.remedy)

    @property
    def reason(self) -> str:
        """What is in the way and what to do, in one line."""
        return str(self.error)


@dataclass(slots=True)
class RunReport:
    """What one call did. Of a dry run, what it would have done."""

    mode: Mode
    run: str | None = None  # its name; None if no file was changed
    resumed: bool = False  # an unfinished run of the same plan was resumed
    dry_run: bool = False
    photos: int = 0  # moved, removed, linked, or put back
    sidecars: int = 0  # the same
    size: int = 0  # of all these files, bytes
    sidecars_held: int = 0  # moved to the holding folder when their photos were deleted: no keeper has the same
    folders: set[Path] = field(default_factory=set)  # that files were moved to
    skipped: list[Skipped] = field(default_factory=list)
    other_kinds: dict[Kind, int] = field(default_factory=dict)  # files to remove in groups of kinds not asked for
    interrupted: bool = False
    stopped: str | None = None  # why it stopped early: a full disk

    def skip(self, group: int, path: Path, error: RetrievalError | OSError) -> None:
        """Note a file that was left alone, once for each reason."""
        skipped = Skipped(group, path, *reason(error))
        if skipped not in self.skipped[-100:]:
            self.skipped.append(skipped)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run in a list of runs."""

    run: str  # its name
    started_at: str  # ISO 8601
    mode: Mode
    files: int  # changed, sidecars included, even if put back since
    size: int  # of these files, bytes
    state: Literal["finished", "unfinished", "undone", "partly undone"]


def reason(error: RetrievalError | OSError) -> tuple[str, Remedy | None]:
    """Return what went wrong in one line, and what to do about it."""
    if isinstance(error, RetrievalError):
        return (str(error), None) if error.details else (error.what, error.remedy)  # details are not kept
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    return f"{where}{error.strerror or error}", None
