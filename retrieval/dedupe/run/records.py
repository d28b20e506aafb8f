"""The records of a run: what it was told to do, each file it changes, and how these read in a line of its journal."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from retrieval.dedupe.run.transfer import Imprint


class Mode(StrEnum):
    """What is done to a file that need not stay."""

    MOVE = "move"  # to a holding folder
    TRASH = "trash"
    HARDLINK = "hardlink"
    REFLINK = "reflink"
    DELETE = "delete"


LINKING = (Mode.HARDLINK, Mode.REFLINK)  # the path stays, the bytes are shared


class State(StrEnum):
    """How far one step is."""

    BEGUN = "begun"
    DONE = "done"
    VOID = "void"  # begun, and taken back by the run itself
    UNDOING = "undoing"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Step:
    """One file to be changed. The files of a shot are the steps of one unit: all of them or none."""

    number: int  # from 1, within the run
    unit: int
    of: int  # how many steps the unit has
    group: int  # of the plan
    mode: Mode
    path: Path
    to: Path | None  # where it is held; for the trash, known only afterwards
    keeper: Path
    photo: bool  # else a sidecar
    was: Imprint


@dataclass(frozen=True, slots=True)
class Header:
    """What a run was told to do."""

    run: str  # its local time, as in 2026-11-23T11-05-03
    mode: Mode
    plan: str  # digest of the plan and of the options: the same command goes on with an unfinished run
    started_at: str  # ISO 8601
    roots: dict[str, str]  # where the archive folders were, by name


def relocated(path: Path, before: Mapping[str, str], now: Mapping[str, Path]) -> Path:
    """Return where a path is by now: its root's disk may be mounted elsewhere."""
    holding = [(Path(root), name) for name, root in before.items() if path.is_relative_to(root) and name in now]
    if not holding:
        return path
    root, name = max(holding, key=lambda item: len(item[0].parts))
    return now[name] / path.relative_to(root)


def document(step: Step) -> dict[str, Any]:
    """Return a step as it stands in the journal."""
    to = None if step.to is None else str(step.to)
    return {**asdict(step), "path": str(step.path), "to": to, "keeper": str(step.keeper)}


def step_of(line: dict[str, Any]) -> Step:
    """Read a step back; raises ValueError, KeyError or TypeError for anything else."""
    known = {name: line[name] for name in ("number", "unit", "of", "group", "photo")}
    return Step(
        **known,
        mode=Mode(line["mode"]),
        path=Path(line["path"]),
        to=None if line["to"] is None else Path(line["to"]),
        keeper=Path(line["keeper"]),
        was=Imprint(**line["was"]),
    )
