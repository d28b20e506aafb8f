"""A plan as CSV that a person can edit in a spreadsheet, one row a file.

Written with commas and CRLF (RFC 4180) and a byte order mark, without which Excel reads UTF-8 in the system's old code
page and garbles every accent. Read with commas, semicolons or tabs, in UTF-8 with or without the mark or in UTF-16,
with rows and columns in any order, extra and empty columns, and also if a spreadsheet has put each line into one cell.

Spreadsheets change what they take for formulas, numbers or dates, and cannot hold every file name. So text is written
as a JSON string, in quotation marks and with JSON's escapes, if it starts with = + - @ or a quotation mark, has no
letters, looks like a number or a truth value, starts or ends with a space, or has control characters or bytes that are
not UTF-8. `mtime_ns` has more digits than a spreadsheet keeps: it ends in "ns", which makes it text. The heading of the
last column holds the plan's header; its cells are empty.
"""

import csv
import io
import json
import math
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from retrieval.dedupe.plan.rows import Fields
from retrieval.errors import PlanError, Remedy
from retrieval.text import is_formula, json_cell

COLUMNS = (
    *("group", "kind", "role", "action", "path", "reason", "would_lose", "cosine", "score", "width", "height", "bytes"),
    *("taken_at", "moves_along", "protected", "format", "sha256", "mtime_ns", "compared_with"),
    *("places", "keeper_places"),
)
# Without these a run could remove the wrong file; the others only inform.
_REQUIRED = ("group", "kind", "role", "action", "path", "bytes", "moves_along", "protected", "sha256", "mtime_ns")
_TEXTS = ("path", "reason", "would_lose", "taken_at", "format", "sha256", "compared_with")
_BOXES = ("places", "keeper_places")
_HEADING = "retrieval plan "  # then JSON
_VALUE = re.compile("[0-9.,]+e[0-9]+|true|false", re.IGNORECASE)  # not text to a spreadsheet, though it has letters
_FLAGS = {"": False, "no": False, "false": False, "0": False, "yes": True, "true": True, "1": True}
# Separators, and whether each line is a single cell that holds comma-separated values.
_DIALECTS = ((",", False), (";", False), ("\t", False), (";", True), ("\t", True))
_COSINE_LIMIT = 1.01  # vectors in half precision are only about unit length


def write(header: Fields, groups: Iterable[Iterable[Fields]]) -> Iterator[bytes]:
    """Yield a plan as UTF-8, line by line; each group is given as the fields of its files, the keeper first."""
    yield BOM_UTF8 + _line((*COLUMNS, _HEADING + json.dumps(header)))
    for given in chain.from_iterable(groups):
        yield _line((*(_cell(name, given[name]) for name in COLUMNS), ""))


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
    if name in _BOXES:
        return json.dumps(value, separators=(",", ":"))
    return _safe(f"{value} ns") if name == "mtime_ns" else str(value)


def _safe(text: str) -> str:
    """Return text as it is if no spreadsheet would change it, otherwise as a JSON string."""
    plain = text.isprintable() and text == text.strip() and any(char.isalpha() for char in text)
    changed = not plain or text.startswith(("'", '"')) or is_formula(text) or _VALUE.fullmatch(text)
    return json_cell(text) if changed else text


def read(data: bytes, path: Path) -> tuple[Fields, Iterator[tuple[str, Fields]]]:
    """Return the header, and the fields of each row with its place for messages.

    Raises PlanError for other CSV, missing or repeated columns, and rows that cannot be split into cells.
    """
    table = _rows(_decode(data, path), path)
    names = [name.strip() for name in next(table, (0, []))[1]]
    heading = next((name for name in names if name.startswith(_HEADING)), "")
    missing = [name for name in _REQUIRED if name not in names]
    if not heading or missing:
        raise _missing_columns(path, missing)
    if repeated := {name for name in names if name and names.count(name) > 1}:
        raise PlanError(f"{path} has the column {', '.join(sorted(repeated))} twice: delete one of the two")
    try:
        about = json.loads(heading.removeprefix(_HEADING))
    except ValueError as error:
        raise PlanError(f"{path}: the heading of the last column was changed", Remedy.RESTORE_COLUMNS) from error
    places = ((f"{path}, line {line}", cells) for line, cells in table)
    return about, ((where, _fields(names, cells, where)) for where, cells in places)


def _missing_columns(path: Path, missing: list[str]) -> PlanError:
    if len(missing) == len(_REQUIRED):
        return PlanError(f"{path} is not a plan", Remedy.FIND_AGAIN)
    named = ", ".join(missing) or f'the one headed "{_HEADING}..."'
    return PlanError(f"{path} lacks columns ({named})", Remedy.RESTORE_COLUMNS)


def _decode(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-16" if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig")
    except UnicodeDecodeError as error:
        advice = 'save it from the spreadsheet as "CSV UTF-8"'
        raise PlanError(f"{path} is not UTF-8, so accents in file names would be lost: {advice}") from error


def _rows(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and cells of each row that is not empty."""
    if not text.strip():
        raise PlanError(f"{path} is empty", Remedy.FIND_AGAIN)
    line = 1
    try:
        delimiter, packed = _dialect(text)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        for cells in reader:
            line = reader.line_num
            if any(cell.strip() for cell in cells):
                yield line, _unpacked(cells, delimiter) if packed else cells
    except csv.Error as error:
        raise PlanError(f"{path}, after line {line}: not valid CSV ({error})", Remedy.RESTORE_VALUE) from error


def _dialect(text: str) -> tuple[str, bool]:
    """Return the separator that finds most columns, and whether each line is a single cell."""
    headings = re.split(r"[\r\n]", text.strip(), maxsplit=1)[0]

    def columns(dialect: tuple[str, bool]) -> int:
        delimiter, packed = dialect
        cells = next(csv.reader([headings], delimiter=delimiter))
        names = _unpacked(cells, delimiter) if packed else cells
        return len(set(names) & set(COLUMNS)) + any(re.fullmatch(f"{_HEADING}{{.*}}", name) for name in names)

    return max(_DIALECTS, key=columns)


def _unpacked(cells: list[str], delimiter: str) -> list[str]:
    """Split a line that a spreadsheet, expecting another separator than the comma, has put into one cell."""
    return next(csv.reader([delimiter.join(cells).rstrip(delimiter)]), [])


def _fields(names: list[str], cells: list[str], where: str) -> Fields:
    if any(cell.strip() for cell in cells[len(names) :]):
        what = f"{where}: more cells than columns, perhaps for a comma without quotation marks"
        raise PlanError(what, Remedy.RESTORE_VALUE)
    row = dict(zip(names, [*cells, *[""] * len(names)], strict=False))
    given: Fields = {name: _text(row.get(name, ""), where) for name in _TEXTS}
    given |= {name: row[name].strip().lower() for name in ("kind", "role", "action")}
    given |= {name: row[name].strip() for name in ("group", "bytes")}
    given |= {name: _count(row.get(name, "")) for name in ("width", "height")}
    given["cosine"] = _number(row.get("cosine", ""), -_COSINE_LIMIT, _COSINE_LIMIT)
    given["score"] = _number(row.get("score", ""), 0, 1)
    given["mtime_ns"] = (_text(row["mtime_ns"], where) or "").removesuffix("ns").strip()
    given["moves_along"] = _loaded(row["moves_along"], where) if row["moves_along"].strip() else []
    given |= {name: _boxes(row.get(name, "")) for name in _BOXES}
    given["protected"] = _FLAGS.get(row["protected"].strip().lower(), row["protected"])
    return given


def _text(cell: str, where: str) -> str | None:
    cell = cell.strip()
    if not cell.startswith('"'):
        return cell or None
    value = _loaded(cell, where)
    if not isinstance(value, str):
        raise PlanError(f"{where}: {cell} has lost a quotation mark", Remedy.RESTORE_VALUE)
    return value


def _loaded(cell: str, where: str) -> Any:
    try:
        return json.loads(cell)
    except (ValueError, RecursionError) as error:
        raise PlanError(f"{where}: {cell} cannot be read", Remedy.RESTORE_VALUE) from error


def _count(cell: str) -> int | None:
    """Read a number that only informs: a plan in which a spreadsheet has changed it is still valid."""
    return int(cell) if re.fullmatch(r"\s*[0-9]{1,18}\s*", cell) else None


def _boxes(cell: str) -> Any:
    """Read boxes, which only inform as well."""
    try:
        return json.loads(cell) if re.fullmatch(r"\s*\[(\[\d{1,4}(,\d{1,4}){3}\],?)+\]\s*", cell) else None
    except ValueError:
        return None


def _number(cell: str, least: float, most: float) -> float | None:
    try:
        value = float(cell.replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) and least <= value <= most else None
