"""One place for formats: what every kind of record can be shown as, and how each format is written."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import datetime
from enum import Enum
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from retrieval.text import csv_line, dump_json, printable, tsv_line

Format = Literal["table", "tsv", "csv", "json", "jsonl", "paths", "paths0"]
Row = Sequence[Any]  # plain values, paths, times and enumerations: see `plain`


@dataclass(frozen=True, slots=True)
class Layout:
    """How records are to be written."""

    format: Format = "table"
    relative: bool = False  # paths as seen from the current folder, else absolute
    width: int | None = None  # columns of the terminal that shows the text; None where it goes elsewhere


@dataclass(frozen=True, slots=True)
class View:
    """What some records look like in each format. All parts may be lazy: a format reads only its own."""

    columns: Sequence[str]  # of TSV and CSV
    rows: Iterable[Sequence[Row]]  # in blocks that are written together
    documents: Iterable[Mapping[str, Any]]  # JSON objects: a line each, or together an array
    table: Iterable[str]  # text for people, in chunks that end a line
    paths: Iterable[Path] = ()
    document: Mapping[str, Any] | None = None  # JSON as one object instead of an array
    json: Iterable[str] | None = None  # JSON that is too long to be one object in memory, in chunks


def render(view: View, layout: Layout) -> Iterator[str]:
    """Write records in one format: text in chunks, each as soon as its records are there.

    JSON is one document, JSON lines are one object a line. Undecodable bytes of file names are surrogate escapes.
    """
    match layout.format:
        case "table":
            yield from view.table
        case "tsv" | "csv":
            yield from _separated(view, layout)
        case "jsonl":
            yield from (dump_json(plain(one, layout)) + "\n" for one in view.documents)
        case "json" if view.document is not None:
            yield dump_json(plain(view.document, layout), indent=2) + "\n"
        case "json":
            yield from view.json or json_array(plain(one, layout) for one in view.documents)
        case "paths" | "paths0":
            yield from (_path_line(path, layout) for path in view.paths)


def of_document(document: Mapping[str, Any], text: Iterable[str]) -> View:
    """Show one record: an object in JSON, a row for each of its values in TSV and CSV, `text` for people."""
    rows = ([row] for row in _flattened("", document))
    return View(("name", "value"), rows, (document,), text, document=document)


def json_array(documents: Iterable[Any], indent: int | None = None) -> Iterator[str]:
    """Write a JSON array as its elements come."""
    separator = "[\n"
    for document in documents:
        yield separator + dump_json(document, indent=indent)
        separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"


def plain(value: Any, layout: Layout) -> Any:
    """Return a value as JSON knows it: paths and times as text, enumerations as their value, numbers rounded."""
    if value is None or isinstance(value, bool | int) or type(value) is str:
        return value
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, Path):
        return path_text(value, layout)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, Mapping):
        return {str(name): plain(one, layout) for name, one in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value), layout)
    return [plain(one, layout) for one in value] if isinstance(value, list | tuple) else str(value)


def path_text(path: Path, layout: Layout) -> str:
    """Return a path as the user asked to see it."""
    try:
        return os.path.relpath(path) if layout.relative else str(path)
    except ValueError:  # another drive has no relative path
        return str(path)


def iso(time: datetime) -> str:
    """Return a time with milliseconds where a camera gave them; bursts differ by no more."""
    return time.isoformat(timespec="milliseconds" if time.microsecond else "seconds")


def _separated(view: View, layout: Layout) -> Iterator[str]:
    exact = csv_line if layout.format == "csv" else tsv_line
    line = exact if layout.width is None else lambda row: _for_terminal(exact(row))
    header = line(view.columns)  # with the first rows: where these fail, nothing is written
    for block in view.rows:
        yield header + "".join(line(plain(value, layout) for value in row) for row in block)
        header = ""
    if header:
        yield header


def _for_terminal(line: str) -> str:
    """Escape what could steer a terminal; only pipes and files get names byte for byte."""
    text = line.rstrip("\r\n")
    return "\t".join(map(printable, text.split("\t"))) + line[len(text) :]


def _path_line(path: Path, layout: Layout) -> str:
    text = path_text(path, layout)
    if layout.format == "paths0":
        return text + "\0"
    return (text if layout.width is None else printable(text)) + "\n"


def _flattened(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Name every value inside a document: "model.name", "search.curve.1.recall"."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        parts: Iterable[tuple[object, Any]] = value.items()
    elif isinstance(value, list | tuple):
        parts = enumerate(value, start=1)
    else:
        yield name, value
        return
    yield from chain.from_iterable(_flattened(f"{name}.{key}" if name else str(key), one) for key, one in parts)
