"""A plan as CSV that a person can edit in a spreadsheet: the way into cells and back. What rows mean: `plan_rows`.

Written with a byte order mark, without which Excel takes UTF-8 for the system's old code page and spoils every
accent; comma-separated, each line ended by CRLF, as RFC 4180 has it. Read back with semicolons or tabs too, in UTF-8
with or without the mark or in UTF-16, with rows and columns in any order, further columns, empty ones, and with lines
that a spreadsheet has packed into one cell each.

Spreadsheets change what they take for formulas, numbers or dates, and cannot hold all that a file name can. So a text
stands there as a JSON string, in quotation marks and with JSON's escapes, if it begins with = + - @ or a quotation
mark, has no letter in it or means a number or a truth value all the same, begins or ends with a space, or holds a
control character or bytes that are no UTF-8. `mtime_ns`, of more digits than a spreadsheet keeps, ends in "ns" and is
text to it. The heading of the last column holds what is true of the whole plan; its cells are empty.
"""

import csv
import io
import json
import math
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from retrieval.dedupe.plan.rows import Fields
from retrieval.errors import PlanError
from retrieval.text import is_formula, json_cell

COLUMNS = (
    *("group", "kind", "role", "action", "path", "reason", "cosine", "score", "width", "height", "bytes", "taken_at"),
    *("moves_along", "protected", "format", "sha256", "mtime_ns", "compared_with"),
)
# Without these, `apply` could touch what it must not; the others are for looking at.
_NEEDED = ("group", "kind", "role", "action", "path", "bytes", "moves_along", "protected", "sha256", "mtime_ns")
_TEXTS = ("path", "reason", "taken_at", "format", "sha256", "compared_with")
_HEADING = "retrieval plan "  # then JSON
_VALUE = re.compile("[0-9.,]+e[0-9]+|true|false", re.IGNORECASE)  # to a spreadsheet, though it has letters
_FLAGS = {"": False, "no": False, "false": False, "0": False, "yes": True, "true": True, "1": True}
# Separators, and whether each line is one cell by them, commas and all.
_DIALECTS = ((",", False), (";", False), ("\t", False), (";", True), ("\t", True))
_COSINE_LIMIT = 1.01  # vectors of half precision are not quite of unit length


def lines(about: Fields, rows: Iterable[Fields]) -> Iterator[bytes]:
    """Spell a plan out; `about` is what is true of the whole of it."""
    yield BOM_UTF8 + _line((*COLUMNS, _HEADING + json.dumps(about)))
    for row in rows:
        yield _line((*(_cell(name, row[name]) for name in COLUMNS), ""))


def _line(cells: Iterable[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode("utf-8")


def _cell(name: str, value: Any) -> str:
    if value is None or value == []:
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    if name in _TEXTS:
        return _safe(value)
    if name == "moves_along":
        return json_cell(value)
    return _safe(f"{value} ns") if name == "mtime_ns" else str(value)


def _safe(text: str) -> str:
    """Leave a text as it is where no spreadsheet would change it."""
    plain = text.isprintable() and text == text.strip() and any(char.isalpha() for char in text)
    changed = not plain or text.startswith(("'", '"')) or is_formula(text) or _VALUE.fullmatch(text)
    return json_cell(text) if changed else text


def read(data: bytes, path: Path) -> tuple[Fields, Iterator[tuple[str, Fields]]]:
    """Return what is true of the whole plan, and each row's fields with its place for messages.

    Raises PlanError for what is no plan, lacks columns, or has a row that cannot be taken apart.
    """
    table = _rows(_decode(data, path), path)
    header = next(table, (0, []))[1]
    names = [name.strip() for name in header]
    heading = next((name for name in names if name.startswith(_HEADING)), "")
    missing = [name for name in _NEEDED if name not in names]
    if not heading or missing:
        raise PlanError(_unfit(path, names, missing))
    if repeated := {name for name in names if name and names.count(name) > 1}:
        raise PlanError(f"{path}: the column {', '.join(sorted(repeated))} stands there twice: delete one")
    try:
        about = json.loads(heading.removeprefix(_HEADING))
    except ValueError as error:
        raise PlanError(f"{path}: the heading of the last column was changed: put back what stood there") from error
    return about, ((where, _fields(names, cells, where)) for where, cells in _placed(table, path))


def _unfit(path: Path, names: list[str], missing: list[str]) -> str:
    if len(missing) == len(_NEEDED):
        return f"{path} is no plan: make one with `retrieval dedupe find`"
    named = ", ".join(missing) or f'the one headed "{_HEADING}..."'
    return f"{path} lacks columns: {named}; put them back, or make the plan again and hide columns instead"


def _decode(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-16" if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig")
    except UnicodeDecodeError as error:
        advice = 'save it from the spreadsheet as "CSV UTF-8"'
        raise PlanError(f"{path} is not in UTF-8, so file names with accents would be lost: {advice}") from error


def _rows(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line numbers and cells of all rows that are not empty, with the separator that finds most columns."""
    if not text.strip():
        raise PlanError(f"{path} is empty: a plan has at least its line of headings")
    line = 1
    try:
        delimiter, packed = _dialect(text)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        for cells in reader:
            line = reader.line_num
            if any(cell.strip() for cell in cells):
                yield line, _unpacked(cells, delimiter) if packed else cells
    except csv.Error as error:
        raise PlanError(f"{path}, after line {line}: no CSV ({error}): put the line back or delete it") from error


def _dialect(text: str) -> tuple[str, bool]:
    """Return the separator that finds most columns, and whether lines are packed within it."""
    headings = re.split(r"[\r\n]", text.strip(), maxsplit=1)[0]

    def columns(dialect: tuple[str, bool]) -> int:
        delimiter, packed = dialect
        cells = next(csv.reader([headings], delimiter=delimiter))
        names = _unpacked(cells, delimiter) if packed else cells
        return len(set(names) & set(COLUMNS)) + any(re.fullmatch(f"{_HEADING}{{.*}}", name) for name in names)

    return max(_DIALECTS, key=columns)


def _unpacked(cells: list[str], delimiter: str) -> list[str]:
    """Take a line apart that a spreadsheet which expects another separator than the comma put into one cell."""
    return next(csv.reader([delimiter.join(cells).rstrip(delimiter)]), [])


def _placed(table: Iterator[tuple[int, list[str]]], path: Path) -> Iterator[tuple[str, list[str]]]:
    return ((f"{path}, line {line}", cells) for line, cells in table)


def _fields(names: list[str], cells: list[str], where: str) -> Fields:
    if any(cell.strip() for cell in cells[len(names) :]):
        raise PlanError(f"{where}: more cells than columns, perhaps a comma without quotation marks: put the line back")
    row = dict(zip(names, [*cells, *[""] * len(names)], strict=False))
    given: Fields = {name: _text(row.get(name, ""), where) for name in _TEXTS}
    given |= {name: row[name].strip().lower() for name in ("kind", "role", "action")}
    given |= {name: row[name].strip() for name in ("group", "bytes")}
    given |= {name: _count(row.get(name, "")) for name in ("width", "height")}
    given["cosine"] = _number(row.get("cosine", ""), -_COSINE_LIMIT, _COSINE_LIMIT)
    given["score"] = _number(row.get("score", ""), 0, 1)
    given["mtime_ns"] = (_text(row["mtime_ns"], where) or "").removesuffix("ns").strip()
    given["moves_along"] = _loaded(row["moves_along"], where) if row["moves_along"].strip() else []
    given["protected"] = _FLAGS.get(row["protected"].strip().lower(), row["protected"])
    return given


def _text(cell: str, where: str) -> str | None:
    cell = cell.strip()
    if not cell.startswith('"'):
        return cell or None
    value = _loaded(cell, where)
    if not isinstance(value, str):
        raise PlanError(f"{where}: {cell} has lost a quotation mark: put it back")
    return value


def _loaded(cell: str, where: str) -> Any:
    try:
        return json.loads(cell)
    except (ValueError, RecursionError) as error:
        raise PlanError(f"{where}: {cell} cannot be read: put back what stood there, or delete the row") from error


def _count(cell: str) -> int | None:
    """A number that is for looking at only; one that a spreadsheet spoiled is no reason to refuse the plan."""
    return int(cell) if re.fullmatch(r"\s*[0-9]{1,18}\s*", cell) else None


def _number(cell: str, least: float, most: float) -> float | None:
    try:
        value = float(cell.replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) and least <= value <= most else None
