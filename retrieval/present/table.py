"""Tables for people: columns side by side, and records that have a row each."""

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

from retrieval.present.view import View
from retrieval.text import printable

Record = TypeVar("Record")

MEASURED_ROWS = 1_000  # that set the columns' widths: a list of millions is not held in memory to measure it
_GAP = "  "


@dataclass(frozen=True, slots=True)
class Column(Generic[Record]):
    """A column of a table."""

    head: str
    cell: Callable[[Record], str]
    right: bool = False  # flush right, as numbers are


@dataclass(frozen=True, slots=True)
class RecordForm(Generic[Record]):
    """How records of one kind look: the values that programs get, by name, and the columns that people see."""

    values: Mapping[str, Callable[[Record], Any]]
    table: Sequence[Column[Record]]
    empty: str  # what a table says without records
    path: Callable[[Record], Path] | None = None


def of_records(records: Iterable[Record], form: RecordForm[Record], *, label_kind: str | None = None) -> View:
    """Show records in a row each, as they come.

    `label_kind`, where species are named, is a last column; JSON has it where it is not "species".
    """
    shared = iter(records)  # whichever format is written reads it
    marks = {} if label_kind in (None, "species") else {"label_kind": label_kind}
    last = () if label_kind is None else (label_kind,)
    return View(
        columns=(*form.values, *(("label_kind",) if last else ())),
        rows=([(*(value(one) for value in form.values.values()), *last)] for one in shared),
        documents=({name: value(one) for name, value in form.values.items()} | marks for one in shared),
        table=table(form.table, shared, form.empty),
        paths=(form.path(one) for one in shared) if form.path else (),
    )


def table(
    columns: Sequence[Column[Record]], records: Iterable[Record], empty: str, *, measured: int = MEASURED_ROWS
) -> Iterator[str]:
    """Write columns side by side, as wide as the first `measured` rows need; the last is as long as it is."""
    rows = ([printable(column.cell(one)) for column in columns] for one in records)
    first = list(islice(rows, measured))
    if not first:
        yield f"{empty}\n"
        return
    heads = [column.head for column in columns]
    widths = [max(map(_width, cells)) for cells in zip(heads, *first, strict=True)]
    for row in (heads, *first):
        yield _line(columns, row, widths)
    for row in rows:
        yield _line(columns, row, widths)


def aligned(pairs: Sequence[tuple[str, str]]) -> str:
    """Write names and what is said of them in two columns."""
    width = max((_width(printable(name)) for name, _ in pairs), default=0)
    return "".join(f"{_padded(printable(name), width)}{_GAP}{printable(text)}\n" for name, text in pairs)


def percent(share: float | None, digits: int = 0) -> str:
    """Write a probability for people; nothing where there is none."""
    return "" if share is None else f"{share:.{digits}%}"


def minute(time: datetime | None) -> str:
    """Write a time for people; nothing where there is none."""
    return time.strftime("%Y-%m-%d %H:%M") if time else ""


def _line(columns: Sequence[Column[Any]], row: Sequence[str], widths: Sequence[int]) -> str:
    last = len(columns) - 1
    cells = (
        cell if place == last and not columns[place].right else _padded(cell, widths[place], right=columns[place].right)
        for place, cell in enumerate(row)
    )
    return _GAP.join(cells).rstrip() + "\n"


def _padded(text: str, width: int, *, right: bool = False) -> str:
    blanks = " " * max(0, width - _width(text))
    return blanks + text if right else text + blanks


def _width(text: str) -> int:
    """How many columns of a terminal a text takes: East Asian characters two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )
