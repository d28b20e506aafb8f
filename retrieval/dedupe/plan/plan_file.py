"""Plans as files that a person can read and edit, CSV or JSON by the name's suffix; nothing is lost on the way.

What may be edited: the `action` of a file (keep or remove), and files may be deleted from the plan. The keeper of a
group is the one that was, while it is kept; else the first file that is. What was found of the match with a former
keeper proves nothing about the new one: then reason and cosine are empty, and it is for `apply` to look again.
Cells of CSV: see `plan_table`.
"""

import json
import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from retrieval.dedupe.plan import spreadsheet
from retrieval.dedupe.plan.records import Plan
from retrieval.dedupe.plan.rows import KEEPER, MEMBER, Fields, Row, fields, groups, row
from retrieval.durable import replacing
from retrieval.errors import PlanError
from retrieval.text import dump_json

FORMAT_VERSION = 1
TOOL = "retrieval"
_REPEATED = ("group", "kind", "role")  # in JSON these stand once a group


def write(plan: Plan, path: Path, *, overwrite: bool = False) -> None:
    """Write a plan whole or not at all.

    Raises PlanError if there is a file already, unless `overwrite` is said: a person may have edited it.
    """
    spell = _csv if _suffix(path) == ".csv" else _json
    if not overwrite and os.path.lexists(path):
        raise PlanError(f"{path} exists, and may have been edited: choose another name, or delete it first")
    try:
        with replacing(path) as partial, partial.open("wb") as file:
            for chunk in spell(plan):
                file.write(chunk)
    except OSError as error:
        raise PlanError(f"{path} cannot be written: {error.strerror or error}") from error


def read(path: Path) -> Plan:
    """Read a plan as it stands after editing.

    Raises PlanError, naming the file, the line (CSV) or the group (JSON) and what to do, for what is no plan, is of a
    newer version, or contradicts itself. Files on the disk are not looked at.
    """
    suffix = _suffix(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PlanError(f"{path} cannot be read: {error.strerror or error}") from error
    if suffix == ".csv":
        about, placed = spreadsheet.read(data, path)
    else:
        about, placed = _read_json(data, path)
    created_at, index, model = _checked(about, path)
    rows: Iterator[Row] = (row(given, where) for where, given in placed)
    return Plan(created_at=created_at, index=Path(index), model=model, groups=groups(rows))


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".json"):
        raise PlanError(f"{path} is no name for a plan: end it in .csv or .json")
    return suffix


def _about(plan: Plan) -> Fields:
    return {
        "format_version": FORMAT_VERSION,
        "tool": TOOL,
        "created_at": plan.created_at,
        "index": str(plan.index),
        "model": plan.model,
    }


def _checked(about: Any, path: Path) -> tuple[str, str, str]:
    if not isinstance(about, dict) or about.get("tool") != TOOL or not isinstance(about.get("format_version"), int):
        raise PlanError(f"{path} is no plan: make one with `retrieval dedupe find`")
    if about["format_version"] > FORMAT_VERSION:
        raise PlanError(f"{path} is of a newer version of retrieval: update this one, or make the plan again")
    created_at, index, model = (about.get(name) for name in ("created_at", "index", "model"))
    if isinstance(created_at, str) and isinstance(index, str) and isinstance(model, str):
        return created_at, index, model
    raise PlanError(f"{path} does not say when, from which index and with which model it was made: make it again")


def _csv(plan: Plan) -> Iterator[bytes]:
    return spreadsheet.lines(_about(plan), chain.from_iterable(map(fields, plan.groups)))


def _json(plan: Plan) -> Iterator[bytes]:
    head = ",\n".join(f"{dump_json(name)}: {dump_json(value)}" for name, value in _about(plan).items())
    yield f'{{\n{head},\n"groups": ['.encode()
    separator = "\n"
    for group in plan.groups:
        keeper, *members = map(_document, fields(group))
        document = {"group": group.number, "kind": group.kind.value, "keeper": keeper, "members": members}
        yield (separator + dump_json(_compact(document), indent=1)).encode()
        separator = ",\n"
    yield b"\n]\n}\n"


def _document(given: Fields) -> Fields:
    """Put what a person looks for first, and leave out what stands once a group."""
    explained = "why" if given["role"] == KEEPER else "reason"
    first = {"path": given["path"], "action": given["action"], explained: given["reason"]}
    return first | {name: value for name, value in given.items() if name not in (*_REPEATED, "reason")}


def _compact(value: Any) -> Any:
    """Drop what is unknown, and write times as text: many programs that edit JSON round numbers of that size."""
    if isinstance(value, list):
        return [_compact(one) for one in value]
    if not isinstance(value, dict):
        return value
    known = {name: _compact(one) for name, one in value.items() if one is not None}
    return known | {"mtime_ns": str(known["mtime_ns"])} if "mtime_ns" in known else known


def _read_json(data: bytes, path: Path) -> tuple[Any, Iterator[tuple[str, Fields]]]:
    if not data.strip():
        raise PlanError(f"{path} is empty: a plan has at least its headings")
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise PlanError(f"{path} is no JSON ({error}): put back what was changed, or make the plan again") from error
    listed = document.get("groups") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise PlanError(f"{path} is no plan: make one with `retrieval dedupe find`")
    return document, chain.from_iterable(_group_fields(group, path, place) for place, group in enumerate(listed, 1))


def _group_fields(group: Any, path: Path, place: int) -> Iterator[tuple[str, Fields]]:
    """Yield the files of a group of a JSON plan, each with its place for messages."""
    named = group.get("group", place) if isinstance(group, dict) else place
    where = f"{path}, group {named}"
    members = group.get("members") if isinstance(group, dict) else None
    if not isinstance(members, list) or not all(isinstance(member, dict) for member in members):
        raise PlanError(f"{where}: not a group with a keeper and a list of members: put it back or delete it")
    common = {"group": named, "kind": group.get("kind")}
    keeper = group.get("keeper")
    if isinstance(keeper, dict):
        yield f"{where}, keeper", {"action": "keep", **keeper, **common, "role": KEEPER, "reason": keeper.get("why")}
    for number, member in enumerate(members, 1):
        yield f"{where}, member {number}", {**member, **common, "role": MEMBER}
