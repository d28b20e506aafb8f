"""Answers as text: table, TSV, CSV, JSON, JSONL or bare paths. Pure functions; writing it out is the edge's work."""

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval.records import Answer, Hit
from retrieval.text import csv_line, dump_json, printable, tsv_line

if TYPE_CHECKING:  # only tables for a screen load it
    from rich.table import Table

COLUMNS = (
    *("query", "kind", "rank", "score", "path", "species", "probability", "taken_at", "failure", "label_kind"),
    "hidden",
)
GENERAL = "general labels, no species identification:"
UNBOUNDED_WIDTH = 10_000  # columns of a table that is not for a screen: paths must not be broken

Row = tuple[Any, ...]


def answers(
    found: Iterable[Answer],
    form: str,
    *,
    relative: bool = False,
    hits: bool = True,
    width: int | None = None,
    array: bool = False,
) -> Iterator[str]:
    """Render answers one after another, as table, tsv, csv, json or jsonl; `hits=False` leaves that part out.

    `width` is the screen's, for tables. With `array`, JSON is one even for one answer, or none. Paths are absolute, or
    with `relative` seen from the current folder.
    """
    if form in ("json", "jsonl"):
        yield from _documents((document(answer, relative, hits) for answer in found), form, array)
    elif form == "table":
        for answer in found:
            yield _table(answer, relative, hits, width)
    else:
        line = csv_line if form == "csv" else tsv_line
        header = line(COLUMNS)
        for answer in found:
            yield header + "".join(line(row) for row in _rows(answer, relative))
            header = ""
        if header:  # nothing was asked: what a program reads still has its columns
            yield header


def paths(found: Iterable[Answer], *, relative: bool = False, end: str = "\n") -> Iterator[str]:
    """Render the hits' paths alone, each followed by `end`."""
    for answer in found:
        for hit in answer.hits:
            yield shown(hit.path, relative) + end


def shown(path: Path, relative: bool) -> str:
    """Return a path as the user asked to see it."""
    try:
        return os.path.relpath(path) if relative else str(path)
    except ValueError:  # another drive has no relative path
        return str(path)


def document(answer: Answer, relative: bool = False, hits: bool = True) -> dict[str, Any]:
    """Return an answer as the JSON object that the README describes."""
    fields: dict[str, Any] = {"query": answer.query, "model": answer.model}
    if answer.label_kind != "species":
        fields["label_kind"] = answer.label_kind
    if answer.failure:
        return {**fields, "failure": {"kind": answer.failure.kind, "reason": answer.failure.reason}}
    fields |= {
        "predictions": [
            {"species": prediction.species, "probability": round(prediction.probability, 6)}
            for prediction in answer.predictions
        ],
    }
    return {**fields, "hits": [_hit_document(hit, relative) for hit in answer.hits]} if hits else fields


def _hit_document(hit: Hit, relative: bool) -> dict[str, Any]:
    fields = {
        "rank": hit.rank,
        "score": round(hit.score, 6),
        "path": shown(hit.path, relative),
        "species": hit.species,
        "probability": None if hit.probability is None else round(hit.probability, 6),
        "taken_at": iso(hit.taken_at) if hit.taken_at else None,
    }
    return fields if hit.hidden is None else {**fields, "hidden": hit.hidden}


def iso(time: datetime) -> str:
    """Return a time with milliseconds where a camera gave them; bursts differ by no more."""
    return time.isoformat(timespec="milliseconds" if time.microsecond else "seconds")


def _documents(documents: Iterator[dict[str, Any]], form: str, array: bool) -> Iterator[str]:
    """One object a line; or one object for one query, an array for several."""
    if form == "jsonl":
        yield from (dump_json(one) + "\n" for one in documents)
        return
    first, second = next(documents, None), None if array else next(documents, None)
    if first is not None and second is None and not array:
        yield dump_json(first, indent=2) + "\n"
        return
    separator = "[\n"
    for one in chain((one for one in (first, second) if one is not None), documents):
        yield separator + dump_json(one, indent=2)
        separator = ",\n"
    yield "[]\n" if first is None else "\n]\n"


def _rows(answer: Answer, relative: bool) -> Iterator[Row]:
    kind = answer.label_kind
    if answer.failure:
        reason = f"{answer.failure.kind}: {answer.failure.reason}"
        yield answer.query, "failure", "", "", "", "", "", "", reason, "", ""
    for rank, prediction in enumerate(answer.predictions, start=1):
        probability = f"{prediction.probability:.6f}"
        yield answer.query, "prediction", rank, "", "", prediction.species, probability, "", "", kind, ""
    for hit in answer.hits:
        fields = _hit_document(hit, relative)
        score = f"{hit.score:.6f}"
        probability = "" if hit.probability is None else f"{hit.probability:.6f}"
        hidden = "" if hit.hidden is None else hit.hidden
        label = (hit.species or "", probability, fields["taken_at"] or "", "", kind, hidden)
        yield answer.query, "hit", hit.rank, score, fields["path"], *label


def _table(answer: Answer, relative: bool, hits: bool, width: int | None) -> str:
    lines = [f"{printable(answer.query)}\n"]
    if answer.failure:
        return f"{lines[0]}  cannot be answered: {printable(answer.failure.reason)}\n"
    general = answer.label_kind == "general"
    if general and answer.predictions:
        lines.append(f"  {GENERAL}\n")
    lines += [f"  {prediction.probability:7.1%}  {prediction.species}\n" for prediction in answer.predictions]
    if hits and answer.hits:
        lines.append(render(_hit_table(answer.hits, relative, "general label" if general else "species"), width))
    elif hits:
        lines.append("  no photos found\n")
    return "".join(lines)


def _hit_table(hits: Sequence[Hit], relative: bool, label: str) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("rank", justify="right")
    table.add_column("score", justify="right")
    table.add_column(label, overflow="fold")
    table.add_column("", justify="right")
    table.add_column("taken")
    table.add_column("hidden" if any(hit.hidden is not None for hit in hits) else "", justify="right")
    table.add_column("path", overflow="fold")
    for hit in hits:
        table.add_row(
            str(hit.rank),
            f"{hit.score:.3f}",
            printable(hit.species or ""),
            "" if hit.probability is None else f"{hit.probability:.0%}",
            hit.taken_at.strftime("%Y-%m-%d %H:%M") if hit.taken_at else "",
            f"+{hit.hidden}" if hit.hidden else "",
            printable(shown(hit.path, relative)),
        )
    return table


def render(table: "Table", width: int | None = None) -> str:
    """Lay a table out for a screen of this width, or for a file."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=width or UNBOUNDED_WIDTH, markup=False, highlight=False, emoji=False)
    with console.capture() as capture:
        console.print(table)
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())
