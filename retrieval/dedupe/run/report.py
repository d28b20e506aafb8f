"""What a run that changes files, or its undoing, has done: plain records."""

from dataclasses import dataclass, field
from pathlib import Path

from retrieval.dedupe.plan.records import Kind
from retrieval.dedupe.run.records import Mode


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that was left as it is, and why."""

    group: int  # of the plan
    path: Path
    reason: str


@dataclass(slots=True)
class RunReport:
    """What was done in this call. A dry run counts what would have been."""

    mode: Mode
    run: str | None = None  # None: no file was changed
    resumed: bool = False  # an unfinished run of the same plan was taken up again
    dry_run: bool = False
    photos: int = 0  # moved, removed, linked, or put back
    sidecars: int = 0
    size: int = 0  # of all of them, bytes
    folders: set[Path] = field(default_factory=set)  # where they were moved to
    skipped: list[Skipped] = field(default_factory=list)
    other_kinds: dict[Kind, int] = field(default_factory=dict)  # files to remove in groups of kinds not asked for
    interrupted: bool = False
    stopped: str | None = None  # why it could not go on: a full disk

    def skip(self, group: int, path: Path, reason: str) -> None:
        """Note what was left, each reason once."""
        skipped = Skipped(group, path, reason)
        if skipped not in self.skipped[-100:]:
            self.skipped.append(skipped)
