r"""Text for people and programs: file names in JSON, TSV, CSV and terminals, numbers with their units.

File names may hold anything but NUL and "/". Bytes that are not UTF-8 are surrogate escapes in Python's strings. JSON
spells them "\udcXX"; whoever writes other text restores them with the "surrogateescape" error handler.
"""

import csv
import io
import json
import re
from collections.abc import Iterable
from typing import Any

TSV_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
BYTE_UNITS = ("kB", "MB", "GB", "TB", "PB", "EB")
# Where a spreadsheet takes text for a formula: at its beginning, blanks aside, or behind what some of them take for the
# end of a cell. Full-width signs count as the ordinary ones in East Asian locales.
_FORMULA = re.compile(r"(?:^|[;\t\r\n])\s*[=+\-@＝＋－＠]|^[\t\r\n]")
# Lone surrogates cannot be written as UTF-8; controls and marks of direction steer terminals.
_ESCAPED_IN_JSON = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def tsv_line(row: Iterable[Any]) -> str:
    """Write one line of tab-separated values; tabs, line ends and backslashes in a value are escaped by a backslash."""
    return "\t".join(_plain(value).translate(TSV_ESCAPES) for value in row) + "\n"


def csv_line(row: Iterable[Any]) -> str:
    """Write one line of comma-separated values, ended by CRLF as in RFC 4180.

    Text that a spreadsheet would take for a formula is written as a JSON string; see `spreadsheet_cell`.
    """
    line = io.StringIO()
    cells = (_plain(value) if isinstance(value, int | float) else spreadsheet_cell(_plain(value)) for value in row)
    csv.writer(line).writerow(cells)
    return line.getvalue()


def is_formula(text: str) -> bool:
    """Tell whether a spreadsheet might run a text as a formula."""
    return _FORMULA.search(text) is not None


def spreadsheet_cell(text: str) -> str:
    """Return a text as it may stand in a spreadsheet's cell.

    Formulas, and what begins with a quotation mark, become JSON strings: a cell that begins with a quotation mark is
    always one, so `json.loads` gives the text back. All other text stays as it is.
    """
    return json_cell(text) if text.startswith('"') or is_formula(text) else text


def json_cell(value: Any) -> str:
    """Return a value as JSON for a spreadsheet's cell, without a semicolon, which some take for the end of a cell."""
    text = json.dumps(value, ensure_ascii=False)
    return (text if text.isprintable() else json.dumps(value)).replace(";", "\\u003b")


def dump_json(value: Any, *, indent: int | None = None) -> str:
    """Write JSON as readable UTF-8; lone surrogates and what could steer a terminal are escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _ESCAPED_IN_JSON.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def printable(text: str) -> str:
    """Show control characters and undecodable bytes as escapes: a file name must not steer a terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def format_size(bytes_: int) -> str:
    """Write a size in powers of 1000, as disks are sold: "999 bytes", "1.2 GB", "38 GB"."""
    if abs(bytes_) < 1000:
        return f"{bytes_} byte{'' if bytes_ == 1 else 's'}"
    power = 1
    while abs(bytes_) >= 999.5 * 1000**power and power < len(BYTE_UNITS):
        power += 1
    number = bytes_ / 1000**power
    return f"{number:.1f} {BYTE_UNITS[power - 1]}" if abs(number) < 9.95 else f"{number:.0f} {BYTE_UNITS[power - 1]}"


def format_count(number: int, noun: str) -> str:
    """Write how many: "1 file", "12,000 files"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def format_megapixels(pixels: int) -> str:
    """Write how many pixels, in millions; 0 is unknown."""
    return f"{pixels / 1e6:.1f} megapixels" if pixels else "unknown"


def _plain(value: Any) -> str:
    """Spell a value: nothing for None, and numbers without an exponent, which `sort -n` cannot read."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if not isinstance(value, float) or "e" not in text:
        return text
    from decimal import Decimal  # rarely needed: `--help` starts without

    return format(Decimal(text), "f")
