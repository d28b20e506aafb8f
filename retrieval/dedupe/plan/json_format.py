"""A plan as JSON: one object a group, with its keeper and its members."""

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from retrieval.dedupe.plan.rows import KEEPER, MEMBER, Fields
from retrieval.errors import PlanError, Remedy
from retrieval.text import dump_json

_OF_GROUP = ("group", "kind", "role")  # stand once a group, not in each file


def write(header: Fields, groups: Iterable[Iterable[Fields]]) -> Iterator[bytes]:
    """Yield a plan as UTF-8, group by group; each group is given as the fields of its files, the keeper first."""
    head = ",\n".join(f"{dump_json(name)}: {dump_json(value)}" for name, value in header.items())
    yield f'{{\n{head},\n"groups": ['.encode()
    separator = "\n"
    for group in groups:
        yield (separator + dump_json(_compact(_group_document(list(group))), indent=1)).encode()
        separator = ",\n"
    yield b"\n]\n}\n"


def read(data: bytes, path: Path) -> tuple[Any, Iterator[tuple[str, Fields]]]:
    """Return the header, and the fields of each file with its place for messages. Raises PlanError for other JSON."""
    if not data.strip():
        raise PlanError(f"{path} is empty", Remedy.FIND_AGAIN)
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise PlanError(f"{path} is not valid JSON ({error})", Remedy.EDIT_PLAN) from error
    groups = document.get("groups") if isinstance(document, dict) else None
    if not isinstance(groups, list):
        raise PlanError(f"{path} is not a plan", Remedy.FIND_AGAIN)
    return document, chain.from_iterable(_rows(group, path, place) for place, group in enumerate(groups, 1))


def _group_document(files: list[Fields]) -> Fields:
    keeper, *members = files
    return {
        "group": keeper["group"],
        "kind": keeper["kind"],
        "keeper": _file_document(keeper),
        "members": [_file_document(member) for member in members],
    }


def _file_document(given: Fields) -> Fields:
    """Put what a person looks for first."""
    explained = "why" if given["role"] == KEEPER else "reason"
    first = {"path": given["path"], "action": given["action"], explained: given["reason"]}
    return first | {name: value for name, value in given.items() if name not in (*_OF_GROUP, "reason")}


def _compact(value: Any) -> Any:
    """Leave out unknown values, and write times as text: many programs that edit JSON round such large numbers."""
    if isinstance(value, list):
        return [_compact(one) for one in value]
    if not isinstance(value, dict):
        return value
    known = {name: _compact(one) for name, one in value.items() if one is not None}
    return known | {"mtime_ns": str(known["mtime_ns"])} if "mtime_ns" in known else known


def _rows(group: Any, path: Path, place: int) -> Iterator[tuple[str, Fields]]:
    """Yield the files of one group, each with its place for messages."""
    number = group.get("group", place) if isinstance(group, dict) else place
    where = f"{path}, group {number}"
    members = group.get("members") if isinstance(group, dict) else None
    if not isinstance(members, list) or not all(isinstance(member, dict) for member in members):
        raise PlanError(f"{where}: not a group with a keeper and a list of members", Remedy.EDIT_PLAN)
    common = {"group": number, "kind": group.get("kind")}
    keeper = group.get("keeper")
    if isinstance(keeper, dict):
        yield f"{where}, keeper", {"action": "keep", **keeper, **common, "role": KEEPER, "reason": keeper.get("why")}
    for count, member in enumerate(members, 1):
        yield f"{where}, member {count}", {**member, **common, "role": MEMBER}
