"""Lists of photos and of species as text, row by row as they come: table, TSV, CSV, JSON, JSONL or bare paths."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from retrieval.present.answers import iso, shown
from retrieval.records import ListedPhoto, ListedSpecies
from retrieval.text import csv_line, dump_json, printable, tsv_line

Row = Sequence[Any]

PHOTO_COLUMNS = (
    *("path", "species", "probability", "taken_at", "camera", "latitude", "longitude", "width", "height", "size"),
)
SPECIES_COLUMNS = ("species", "photos", "days", "first", "last", "probability", "path")
MEASURED = 1_000  # rows that a table's columns are as wide as: a list of millions is not kept to look at it whole
_GAP = "  "


def photos(
    found: Iterable[ListedPhoto], form: str, *, relative: bool = False, label_kind: str = "species"
) -> Iterator[str]:
    """Render photos as table, tsv, csv, json (one array) or jsonl.

    Paths are absolute, or with `relative` seen from the current folder.
    """

    def row(one: ListedPhoto) -> Row:
        label = (one.species, _rounded(one.probability), _time(one.taken_at), one.camera)
        return shown(one.path, relative), *label, one.latitude, one.longitude, one.width, one.height, one.size

    def cells(one: ListedPhoto) -> Sequence[str]:
        taken = one.taken_at.strftime("%Y-%m-%d %H:%M") if one.taken_at else ""
        label = (one.species or "", _percent(one.probability), one.camera or "")
        return taken, *label, f"{one.size / 1e6:,.1f}", shown(one.path, relative)

    if form == "table":
        return _table(("taken", _label_head(label_kind), ">", "camera", ">MB", "path"), map(cells, found))
    return _records(PHOTO_COLUMNS, map(row, found), form, label_kind)


def species(
    found: Iterable[ListedSpecies], form: str, *, relative: bool = False, label_kind: str = "species"
) -> Iterator[str]:
    """Render a life list in the same way."""

    def row(one: ListedSpecies) -> Row:
        dates = (_time(one.first), _time(one.last))
        return one.species, one.photos, one.days, *dates, _rounded(one.probability), shown(one.path, relative)

    def cells(one: ListedSpecies) -> Sequence[str]:
        dates = (str(time.date()) if time else "" for time in (one.first, one.last))
        best = (_percent(one.probability), shown(one.path, relative))
        return one.species, f"{one.photos:,}", f"{one.days:,}", *dates, *best

    if form == "table":
        heads = (_label_head(label_kind), ">photos", ">days", "first", "last", ">best", "path")
        return _table(heads, map(cells, found))
    return _records(SPECIES_COLUMNS, map(row, found), form, label_kind)


def paths(found: Iterable[ListedPhoto | ListedSpecies], *, relative: bool = False, end: str = "\n") -> Iterator[str]:
    """Render the paths alone, each followed by `end`; of a species that of its most certain photo."""
    return (shown(one.path, relative) + end for one in found)


def _records(columns: Sequence[str], rows: Iterable[Row], form: str, label_kind: str) -> Iterator[str]:
    if form in ("tsv", "csv"):
        line = csv_line if form == "csv" else tsv_line
        yield line((*columns, "label_kind"))
        for row in rows:
            yield line("" if value is None else value for value in (*row, label_kind))
        return
    marked = {} if label_kind == "species" else {"label_kind": label_kind}
    documents = (dump_json({**dict(zip(columns, row, strict=True)), **marked}) for row in rows)
    if form == "jsonl":
        yield from (document + "\n" for document in documents)
        return
    separator = "[\n"
    for document in documents:
        yield separator + document
        separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Columns side by side, those whose head begins with ">" flush right; the last is as long as it is."""
    rows = ([printable(cell) for cell in row] for row in rows)
    names = [head.removeprefix(">") for head in heads]
    first = list(islice(rows, MEASURED))
    if not first:
        yield "no photos found\n"
        return
    widths = [max(map(len, column)) for column in zip(names, *first, strict=True)]
    widths[-1] = 0
    lay = [str.rjust if head.startswith(">") else str.ljust for head in heads]

    def line(cells: Sequence[str]) -> str:
        padded = (place(cell, width) for place, cell, width in zip(lay, cells, widths, strict=True))
        return _GAP.join(padded).rstrip() + "\n"

    yield line(names)
    yield from map(line, first)
    yield from map(line, rows)


def _label_head(label_kind: str) -> str:
    return "general label" if label_kind == "general" else "species"


def _rounded(probability: float | None) -> float | None:
    return None if probability is None else round(probability, 6)


def _percent(probability: float | None) -> str:
    return "" if probability is None else f"{probability:.0%}"


def _time(time: datetime | None) -> str | None:
    return iso(time) if time else None
