"""Reads and writes plan files, as CSV or JSON by their suffix. A plan reads back as it was written.

A person may change the `action` of a file (keep or remove) and delete files from the plan. A group keeps its keeper as
long as that is kept; otherwise the first file that is kept becomes its keeper. How a member matched the former keeper
proves nothing about the new one, so its reason and cosine are then empty, and a run compares the two again.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from retrieval.dedupe.plan import csv_format, json_format
from retrieval.dedupe.plan.records import Plan
from retrieval.dedupe.plan.rows import Fields, fields, groups, row
from retrieval.durable import replacing
from retrieval.errors import PlanError, Remedy

FORMAT_VERSION = 1
TOOL = "retrieval"


class _Form(NamedTuple):
    write: Callable[[Fields, Iterable[Iterable[Fields]]], Iterator[bytes]]
    read: Callable[[bytes, Path], tuple[Any, Iterator[tuple[str, Fields]]]]


_FORMS = {".csv": _Form(csv_format.write, csv_format.read), ".json": _Form(json_format.write, json_format.read)}


def write(plan: Plan, path: Path, *, overwrite: bool = False) -> None:
    """Write a plan to a .csv or .json file, all of it or nothing.

    Raises PlanError for another suffix, if the file exists and `overwrite` is false, and if writing fails.
    """
    form = _form(path)
    if not overwrite and os.path.lexists(path):
        raise PlanError(f"{path} exists and may have been edited", Remedy.OTHER_FILE_NAME)
    try:
        with replacing(path) as partial, partial.open("wb") as file:
            for chunk in form.write(_header(plan), map(fields, plan.groups)):
                file.write(chunk)
    except OSError as error:
        raise PlanError(f"{path} cannot be written: {error.strerror or error}") from error


def read(path: Path) -> Plan:
    """Read a plan, edited or not. Does not look at the photo files.

    Raises PlanError for a file that is not a plan, is of a newer version or contradicts itself; the message names the
    file and the line (CSV) or group (JSON).
    """
    form = _form(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PlanError(f"{path} cannot be read: {error.strerror or error}") from error
    header, located_rows = form.read(data, path)
    created_at, index, model = _checked_header(header, path)
    return Plan(
        created_at=created_at,
        index=Path(index),
        model=model,
        groups=groups(row(given, where) for where, given in located_rows),
    )


def _form(path: Path) -> _Form:
    form = _FORMS.get(path.suffix.lower())
    if form is None:
        raise PlanError(f"{path} cannot be a plan: its name must end in {' or '.join(_FORMS)}")
    return form


def _header(plan: Plan) -> Fields:
    return {
        "format_version": FORMAT_VERSION,
        "tool": TOOL,
        "created_at": plan.created_at,
        "index": str(plan.index),
        "model": plan.model,
    }


def _checked_header(header: Any, path: Path) -> tuple[str, str, str]:
    """Return when, from which index and with which model a plan was made."""
    if not isinstance(header, dict) or header.get("tool") != TOOL or not isinstance(header.get("format_version"), int):
        raise PlanError(f"{path} is not a plan", Remedy.FIND_AGAIN)
    if header["format_version"] > FORMAT_VERSION:
        raise PlanError(f"{path} was written by a newer version of retrieval", Remedy.UPGRADE_OR_FIND_AGAIN)
    created_at, index, model = (header.get(name) for name in ("created_at", "index", "model"))
    if isinstance(created_at, str) and isinstance(index, str) and isinstance(model, str):
        return created_at, index, model
    raise PlanError(f"{path} lacks its date, its index or its model", Remedy.FIND_AGAIN)
