r"""File names may hold anything but NUL and "/": how they and other text go into JSON, TSV, CSV and terminals unharmed.

Bytes that are no UTF-8 are surrogate escapes in Python's strings. JSON spells them "\udcXX"; whoever writes other
text out restores them with the "surrogateescape" error handler.
"""

import csv
import io
import json
import re
from collections.abc import Iterable
from typing import Any

TSV_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def tsv_line(row: Iterable[Any]) -> str:
    """Write one line of tab-separated values; tabs, line ends and backslashes in a value are escaped by a backslash."""
    return "\t".join(str(value).translate(TSV_ESCAPES) for value in row) + "\n"


def csv_line(row: Iterable[Any]) -> str:
    """Write one line of comma-separated values, ended by CRLF as RFC 4180 has it, so that both are quoted in names."""
    line = io.StringIO()
    csv.writer(line).writerow(row)
    return line.getvalue()


def dump_json(value: Any, *, indent: int | None = None) -> str:
    """Write JSON as readable UTF-8; lone surrogates, which UTF-8 cannot hold, are escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return re.sub("[\ud800-\udfff]", lambda match: f"\\u{ord(match.group()):04x}", text)


def printable(text: str) -> str:
    """Show control characters and undecodable bytes as escapes: a file name must not steer a terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
