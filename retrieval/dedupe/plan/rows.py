"""A plan as rows, one a file, and the way back: what edited rows mean, and which contradict themselves.

How rows are spelled is left to `plan_file` (JSON) and `plan_table` (CSV); both hand over the same named fields.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from retrieval.dedupe.plan.records import REMOVABLE, Action, Group, Kind, Member, PlannedFile
from retrieval.errors import PlanError

Fields = dict[str, Any]
Choice = TypeVar("Choice", Kind, Action)

KEEPER, MEMBER = "keeper", "member"
CHOSEN_BY_HAND = "chosen by hand"
_ALWAYS_CERTAIN = (Kind.EXACT, Kind.SAME_PIXELS)


@dataclass(frozen=True, slots=True)
class Row:
    """One file of a plan file, as it stands there after a person has been at it."""

    where: str  # "plan.csv, line 7", for messages
    group: int
    kind: Kind
    was_keeper: bool  # when the plan was made
    compared_with: str  # sha256 of the keeper that `reason`, `cosine` and `score` speak of
    member: Member  # of a keeper, the reason says why it was chosen


def fields(group: Group) -> Iterator[Fields]:
    """Spell a group out, its keeper first."""
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
        }


def row(given: Mapping[str, Any], where: str) -> Row:
    """Check one file's fields; raise PlanError, naming the place, if they make no sense."""
    kind = _one_of(Kind, given, "kind", where)
    role = given.get("role")
    if role not in (KEEPER, MEMBER):
        raise PlanError(f"{where}: the role is {role!r}, not keeper or member: put it back, and change the action only")
    score = _number(given, "score", where)
    member = Member(
        file=_file(given, where),
        action=_one_of(Action, given, "action", where),
        reason=_text(given, "reason", where) or "",
        cosine=_number(given, "cosine", where),
        score=_unproven_score(kind) if score is None else score,
        along=_along(given, where),
    )
    if member.file.protected and member.action == Action.REMOVE:
        raise PlanError(f"{where}: {member.file.path} is in a reference folder, never removed: set its action to keep")
    compared_with = _text(given, "compared_with", where) or ""
    return Row(where, _integer(given, "group", where, least=1), kind, role == KEEPER, compared_with, member)


def groups(rows: Iterable[Row]) -> tuple[Group, ...]:
    """Make groups of rows in any order; those of which only the keeper is left are dropped.

    Raises PlanError for a file that is a member twice, a group of which no file stays, and one with two keepers or
    kinds. The keeper of exact copies can be a member of a near group, and a burst says nothing of what becomes of it.
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
                raise PlanError(f"{row.where}: {path} stands there already ({first.where}): delete one of the two")
        gathered.setdefault(row.group, []).append(row)
    made = (_group(number, together) for number, together in gathered.items())
    return tuple(group for group in made if group.members)


def _group(number: int, rows: list[Row]) -> Group:
    """Settle who is keeper: the one that was, if it still stays; else the first that stays."""
    _check(number, rows)
    kept = [row for row in rows if row.member.action == Action.KEEP]
    if not kept:
        advice = "set the action of the one that stays to keep, or delete all rows of the group"
        raise PlanError(f"{rows[0].where}: no file of group {number} stays: {advice}")
    keeper = next((row for row in kept if row.was_keeper), kept[0])
    file = keeper.member.file
    for row in rows:
        if row.kind == Kind.EXACT and row.member.file.sha256 != file.sha256:
            raise PlanError(f"{row.where}: not the bytes of its keeper, {file.path}, though the group is exact")
    members = tuple(_matched(row, file) for row in rows if row is not keeper)
    return Group(number, keeper.kind, file, keeper.member.reason if keeper.was_keeper else CHOSEN_BY_HAND, members)


def _check(number: int, rows: list[Row]) -> None:
    first = rows[0]
    keepers = [row for row in rows if row.was_keeper]
    if len(keepers) > 1:
        places = " and ".join(row.where for row in keepers)
        raise PlanError(f"group {number} has two keepers ({places}): groups cannot be joined, give one its number back")
    for row in rows:
        if row.kind != first.kind:
            there = f"group {number} is {first.kind} ({first.where})"
            raise PlanError(f"{row.where}: {there}, and {row.kind} here: put the right one back")


def _matched(row: Row, keeper: PlannedFile) -> Member:
    """Take from a member what was found of another keeper than the one it has now: that proves nothing."""
    if not row.was_keeper and row.compared_with == keeper.sha256:
        return row.member
    return replace(row.member, reason="", cosine=None, score=_unproven_score(row.kind))


def _unproven_score(kind: Kind) -> float:
    return 1.0 if kind in _ALWAYS_CERTAIN else 0.0


def _file(given: Mapping[str, Any], where: str) -> PlannedFile:
    sha256 = _text(given, "sha256", where) or ""
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise PlanError(f"{where}: the sha256 is {sha256!r}, not 64 hexadecimal digits: delete the row or put it back")
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
        raise PlanError(f"{where}: moves_along is {value!r}, not a list of paths: put back what stood there")
    return tuple(_path(one, "moves_along", where) for one in value)


def _path(value: Any, name: str, where: str) -> Path:
    if not isinstance(value, str) or not value:
        raise PlanError(f"{where}: {name} names no file: delete the row, or put the path back")
    path = Path(value)
    if not path.is_absolute() or ".." in path.parts or "\0" in value:
        raise PlanError(f"{where}: {name} is {value!r}, not an absolute path: put back what stood there")
    return path


def _one_of(choices: type[Choice], given: Mapping[str, Any], name: str, where: str) -> Choice:
    value = given.get(name)
    try:
        return choices(str(value))
    except ValueError as error:
        names = ", ".join(choices)
        raise PlanError(f"{where}: the {name} is {value!r}: it must be one of {names}") from error


def _text(given: Mapping[str, Any], name: str, where: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise PlanError(f"{where}: {name} is {value!r}, not text")
    return value


def _integer(given: Mapping[str, Any], name: str, where: str, least: int | None = None) -> int:
    value = given.get(name)
    if isinstance(value, str) and re.fullmatch("-?[0-9]{1,20}", value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or (least is not None and value < least):
        raise PlanError(f"{where}: {name} is {value!r}, not a whole number: put back what stood there")
    return value


def _optional_integer(given: Mapping[str, Any], name: str, where: str) -> int | None:
    return None if given.get(name) is None else _integer(given, name, where, least=0)


def _number(given: Mapping[str, Any], name: str, where: str) -> float | None:
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise PlanError(f"{where}: {name} is {value!r}, not a number")
    return float(value)


def _flag(given: Mapping[str, Any], name: str, where: str) -> bool:
    value = given.get(name)
    if not isinstance(value, bool):
        raise PlanError(f"{where}: {name} is {value!r}, not yes or no (true or false in JSON)")
    return value
