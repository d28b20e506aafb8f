"""The records of a run: its options, each file that it changes, and how these are written in its journal."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from retrieval.dedupe.alike.recheck import why_different
from retrieval.dedupe.plan.records import Kind
from retrieval.dedupe.run.fingerprint import Fingerprint


class Mode(StrEnum):
    """How a file is removed."""

    MOVE = "move"  # to a holding folder
    TRASH = "trash"
    HARDLINK = "hardlink"
    REFLINK = "reflink"
    DELETE = "delete"


LINKING = (Mode.HARDLINK, Mode.REFLINK)  # the path stays, and shares the bytes of the keeper


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """How to apply a plan."""

    mode: Mode = Mode.MOVE
    to: Path | None = None  # the holding folder; by default a hidden one in the root of each file
    kinds: frozenset[Kind] = frozenset((Kind.EXACT,))  # of the groups to act on
    dry_run: bool = False  # check every file, change none
    # Returns why a keeper that a person chose does not match a member, or None if it does.
    recheck: Callable[[Path, Path], str | None] | None = why_different


class State(StrEnum):
    """How far a change is."""

    BEGUN = "begun"
    DONE = "done"
    VOID = "void"  # begun, and rolled back by the run itself
    UNDOING = "undoing"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Change:
    """One file to change. The files of a shot change together: all of them or none."""

    number: int  # from 1, within the run
    shot: int  # from 1, within the run
    shot_size: int  # files of that shot
    group: int  # of the plan
    mode: Mode
    path: Path
    target: Path | None  # where the file is held; in the trash, this is known only afterwards
    keeper: Path
    is_photo: bool  # otherwise a sidecar
    original: Fingerprint  # of the file before the change


@dataclass(frozen=True, slots=True)
class RunHeader:
    """What a run was asked to do."""

    run: str  # its name: the local time at its start, as in 2026-11-23T11-05-03
    mode: Mode
    plan: str  # digest of plan and options: the same command resumes an unfinished run
    started_at: str  # ISO 8601
    roots: dict[str, str]  # where the archive folders were, by name
    plain_roots: tuple[str, ...] = ()  # names of those that were no mount points; unknown to journals of 0.1.0


def relocated(path: Path, before: Mapping[str, str], now: Mapping[str, Path]) -> Path:
    """Return where a path is now: the disk of its root may be mounted elsewhere."""
    inside = [(Path(root), name) for name, root in before.items() if path.is_relative_to(root) and name in now]
    if not inside:
        return path
    root, name = max(inside, key=lambda item: len(item[0].parts))
    return now[name] / path.relative_to(root)


def change_document(change: Change) -> dict[str, Any]:
    """Return a change as it is written in the journal. These names are part of the format."""
    return {
        "number": change.number,
        "unit": change.shot,
        "of": change.shot_size,
        "group": change.group,
        "mode": change.mode,
        "path": str(change.path),
        "to": None if change.target is None else str(change.target),
        "keeper": str(change.keeper),
        "photo": change.is_photo,
        "was": {name: value for name, value in asdict(change.original).items() if value is not None},
    }


def change_from_document(document: Mapping[str, Any]) -> Change:
    """Read a change from the journal. Raises ValueError, KeyError or TypeError for anything else."""
    return Change(
        number=document["number"],
        shot=document["unit"],
        shot_size=document["of"],
        group=document["group"],
        mode=Mode(document["mode"]),
        path=Path(document["path"]),
        target=None if document["to"] is None else Path(document["to"]),
        keeper=Path(document["keeper"]),
        is_photo=document["photo"],
        original=Fingerprint(**document["was"]),
    )
