"""A plan as rows, one a file, and back: what edited rows mean, and which contradict each other.

A row's fields are the same for CSV and JSON; how they are written is left to those formats.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from retrieval.dedupe.plan.records import REMOVABLE, Action, Group, Kind, Member, PlannedFile
from retrieval.errors import PlanError, Remedy
from retrieval.records import Box

Fields = dict[str, Any]
Choice = TypeVar("Choice", Kind, Action)

KEEPER, MEMBER = "keeper", "member"
CHOSEN_BY_HAND = "chosen by hand"
_ALWAYS_CERTAIN = (Kind.EXACT, Kind.SAME_PIXELS)


@dataclass(frozen=True, slots=True)
class Row:
    """One file of a plan, perhaps edited."""

    where: str  # "plan.csv, line 7", for messages
    group: int
    kind: Kind
    was_keeper: bool  # when the plan was made
    compared_with: str  # sha256 of the keeper that `reason`, `cosine` and `score` are about
    member: Member  # a keeper's reason says why it stays


def fields(group: Group) -> Iterator[Fields]:
    """Yield the fields of each file of a group, the keeper first."""
    keeper = Member(group.keeper, Action.KEEP, group.why)
    for role, member in [(KEEPER, keeper), *((MEMBER, member) for member in group.members)]:
        file = member.file
        yield {
            "group": group.number,
            "kind": group.kind.value,
            "role": role,
            "action": member.action.value,
            "path": str(file.path),
            "reason": member.reason,
            "would_lose": member.would_lose or None,
            "cosine": member.cosine,
            "score": None if role == KEEPER else member.score,
            "width": file.width,
            "height": file.height,
            "bytes": file.size,
            "taken_at": file.taken_at,
            "moves_along": [str(path) for path in member.along],
            "protected": file.protected,
            "format": file.format,
            "sha256": file.sha256,
            "mtime_ns": file.mtime_ns,
            "compared_with": None if role == KEEPER else group.keeper.sha256,
            "places": [list(box) for box in member.places] or None,
            "keeper_places": [list(box) for box in member.keeper_places] or None,
        }


def row(given: Mapping[str, Any], where: str) -> Row:
    """Check the fields of one file; raise PlanError, naming the place, if they are invalid."""
    kind = _one_of(Kind, given, "kind", where)
    role = given.get("role")
    if role not in (KEEPER, MEMBER):
        raise PlanError(f"{where}: the role is {role!r}, not keeper or member", Remedy.RESTORE_VALUE)
    score = _number(given, "score", where)
    member = Member(
        file=_file(given, where),
        action=_one_of(Action, given, "action", where),
        reason=_text(given, "reason", where) or "",
        cosine=_number(given, "cosine", where),
        score=_unproven_score(kind) if score is None else score,
        along=_along(given, where),
        would_lose=_text(given, "would_lose", where) or "",
        places=_boxes(given, "places", where),
        keeper_places=_boxes(given, "keeper_places", where),
    )
    if member.file.protected and member.action == Action.REMOVE:
        raise PlanError(f"{where}: {member.file.path} is in a reference folder and cannot be removed: keep it")
    compared_with = _text(given, "compared_with", where) or ""
    return Row(where, _integer(given, "group", where, least=1), kind, role == KEEPER, compared_with, member)


def groups(rows: Iterable[Row]) -> tuple[Group, ...]:
    """Make groups from rows in any order, without those that have only a keeper left.

    Raises PlanError for a file that is a member twice, and for a group that keeps no file or has two keepers or kinds.
    The keeper of exact copies may be a member of a near group, and files of a burst may be in any other group.
    """
    gathered: dict[int, list[Row]] = {}
    seen: dict[tuple[Path, int | None], Row] = {}
    for row in rows:
        path = row.member.file.path
        places: list[tuple[Path, int | None]] = [(path, row.group)]
        if row.kind in REMOVABLE and not row.was_keeper:
            places.append((path, None))
        for place in places:
            first = seen.setdefault(place, row)
            if first is not row:
                raise PlanError(f"{row.where}: {path} is in the plan already ({first.where}): delete one of the two")
        gathered.setdefault(row.group, []).append(row)
    made = (_group(number, together) for number, together in gathered.items())
    return tuple(group for group in made if group.members)


def _group(number: int, rows: list[Row]) -> Group:
    """Choose the keeper: the one that it was, if it is still kept, otherwise the first file that is kept."""
    _check(number, rows)
    kept = [row for row in rows if row.member.action == Action.KEEP]
    if not kept:
        raise PlanError(f"{rows[0].where}: group {number} keeps no file: keep one, or delete all of its rows")
    keeper = next((row for row in kept if row.was_keeper), kept[0])
    file = keeper.member.file
    for row in rows:
        if row.kind == Kind.EXACT and row.member.file.sha256 != file.sha256:
            what = f"{row.where}: the group is exact, but the file has other bytes than its keeper {file.path}"
            raise PlanError(what, Remedy.RESTORE_VALUE)
    members = tuple(_matched(row, file) for row in rows if row is not keeper)
    return Group(number, keeper.kind, file, keeper.member.reason if keeper.was_keeper else CHOSEN_BY_HAND, members)


def _check(number: int, rows: list[Row]) -> None:
    first = rows[0]
    keepers = [row for row in rows if row.was_keeper]
    if len(keepers) > 1:
        places = " and ".join(row.where for row in keepers)
        what = f"group {number} has two keepers ({places}), and groups cannot be merged"
        raise PlanError(what, Remedy.RESTORE_VALUE)
    for row in rows:
        if row.kind != first.kind:
            what = f"{row.where}: the kind is {row.kind}, but group {number} is {first.kind} ({first.where})"
            raise PlanError(what, Remedy.RESTORE_VALUE)


def _matched(row: Row, keeper: PlannedFile) -> Member:
    """Drop how a member matched another keeper than the one it has now: it proves nothing about this one."""
    if not row.was_keeper and row.compared_with == keeper.sha256:
        return row.member
    unproven = replace(row.member, reason="", cosine=None, score=_unproven_score(row.kind))
    return replace(unproven, would_lose="", places=(), keeper_places=())


def _unproven_score(kind: Kind) -> float:
    return 1.0 if kind in _ALWAYS_CERTAIN else 0.0


def _file(given: Mapping[str, Any], where: str) -> PlannedFile:
    sha256 = _text(given, "sha256", where) or ""
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise PlanError(f"{where}: the sha256 is {sha256!r}, not 64 hexadecimal digits", Remedy.RESTORE_VALUE)
    return PlannedFile(
        path=_path(given.get("path"), "path", where),
        size=_integer(given, "bytes", where, least=0),
        mtime_ns=_integer(given, "mtime_ns", where),
        sha256=sha256,
        format=_text(given, "format", where),
        width=_optional_integer(given, "width", where),
        height=_optional_integer(given, "height", where),
        taken_at=_text(given, "taken_at", where),
        protected=_flag(given, "protected", where),
    )


def _along(given: Mapping[str, Any], where: str) -> tuple[Path, ...]:
    value = given.get("moves_along")
    if not isinstance(value, list):
        raise PlanError(f"{where}: moves_along is {value!r}, not a list of paths", Remedy.RESTORE_VALUE)
    return tuple(_path(one, "moves_along", where) for one in value)


def _boxes(given: Mapping[str, Any], name: str, where: str) -> tuple[Box, ...]:
    value = given.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(_is_box(box) for box in value):
        raise PlanError(f"{where}: {name} is {value!r}, not a list of boxes", Remedy.RESTORE_VALUE)
    return tuple((x, y, width, height) for x, y, width, height in value)


def _is_box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(type(side) is int for side in value)


def _path(value: Any, name: str, where: str) -> Path:
    if not isinstance(value, str) or not value:
        raise PlanError(f"{where}: {name} is empty", Remedy.RESTORE_VALUE)
    path = Path(value)
    if not path.is_absolute() or ".." in path.parts or "\0" in value:
        raise PlanError(f"{where}: {name} is {value!r}, not an absolute path", Remedy.RESTORE_VALUE)
    return path


def _one_of(choices: type[Choice], given: Mapping[str, Any], name: str, where: str) -> Choice:
    value = given.get(name)
    try:
        return choices(str(value))
    except ValueError as error:
        names = ", ".join(choices)
        raise PlanError(f"{where}: the {name} is {value!r}, not one of {names}", Remedy.RESTORE_VALUE) from error


def _text(given: Mapping[str, Any], name: str, where: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise PlanError(f"{where}: {name} is {value!r}, not text", Remedy.RESTORE_VALUE)
    return value


def _integer(given: Mapping[str, Any], name: str, where: str, least: int | None = None) -> int:
    value = given.get(name)
    if isinstance(value, str) and re.fullmatch("-?[0-9]{1,20}", value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or (least is not None and value < least):
        raise PlanError(f"{where}: {name} is {value!r}, not a whole number", Remedy.RESTORE_VALUE)
    return value


def _optional_integer(given: Mapping[str, Any], name: str, where: str) -> int | None:
    return None if given.get(name) is None else _integer(given, name, where, least=0)


def _number(given: Mapping[str, Any], name: str, where: str) -> float | None:
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise PlanError(f"{where}: {name} is {value!r}, not a number", Remedy.RESTORE_VALUE)
    return float(value)


def _flag(given: Mapping[str, Any], name: str, where: str) -> bool:
    value = given.get(name)
    if not isinstance(value, bool):
        raise PlanError(f"{where}: {name} is {value!r}, not yes or no (true or false in JSON)", Remedy.RESTORE_VALUE)
    return value
