"""Answers to queries: the predictions and hits of each image, or why there are none."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from retrieval.present.photos import label_head
from retrieval.present.table import Column, minute, percent, table
from retrieval.present.view import Layout, Row, View, json_array, path_text, plain
from retrieval.records import Answer, Hit
from retrieval.text import dump_json, printable

COLUMNS = (
    *("query", "kind", "rank", "score", "path", "species", "probability", "taken_at", "failure", "label_kind"),
    "hidden",
)
GENERAL = "general labels, no species identification:"


def answers(found: Iterable[Answer], layout: Layout, *, hits: bool = True, array: bool = False) -> View:
    """Show answers one after another; `hits=False` leaves that part out.

    JSON is one object for one answer, an array for several; with `array` always an array.
    """
    shared = iter(found)
    documents = (document(answer, hits=hits) for answer in shared)
    return View(
        columns=COLUMNS,
        rows=(list(_rows(answer)) for answer in shared),
        documents=documents,
        table=(_text(answer, layout, hits) for answer in shared),
        paths=_paths(shared),
        json=_json(documents, layout, array),
    )


def document(answer: Answer, *, hits: bool = True) -> dict[str, Any]:
    """Return an answer as the JSON object that the README describes."""
    fields: dict[str, Any] = {"query": answer.query, "model": answer.model}
    if answer.label_kind != "species":
        fields["label_kind"] = answer.label_kind
    if answer.failure:
        return {**fields, "failure": {"kind": answer.failure.kind, "reason": answer.failure.reason}}
    fields["predictions"] = [{"species": one.species, "probability": one.probability} for one in answer.predictions]
    return {**fields, "hits": [_hit(hit) for hit in answer.hits]} if hits else fields


def _hit(hit: Hit) -> dict[str, Any]:
    names = ("rank", "score", "path", "species", "probability", "taken_at")
    fields = {name: getattr(hit, name) for name in names}
    return fields if hit.hidden is None else {**fields, "hidden": hit.hidden}


def _json(documents: Iterator[dict[str, Any]], layout: Layout, array: bool) -> Iterator[str]:
    first, second = next(documents, None), None if array else next(documents, None)
    if first is not None and second is None and not array:
        yield dump_json(plain(first, layout), indent=2) + "\n"
        return
    begun = (one for one in (first, second) if one is not None)
    yield from json_array((plain(one, layout) for one in chain(begun, documents)), indent=2)


def _rows(answer: Answer) -> Iterator[Row]:
    kind = answer.label_kind
    if answer.failure:
        reason = f"{answer.failure.kind}: {answer.failure.reason}"
        yield answer.query, "failure", None, None, None, None, None, None, reason, None, None
    for rank, one in enumerate(answer.predictions, start=1):
        yield answer.query, "prediction", rank, None, None, one.species, one.probability, None, None, kind, None
    for hit in answer.hits:
        label = (hit.species, hit.probability, hit.taken_at, None, kind, hit.hidden)
        yield answer.query, "hit", hit.rank, hit.score, hit.path, *label


def _paths(found: Iterator[Answer]) -> Iterator[Path]:
    for answer in found:
        yield from (hit.path for hit in answer.hits)


def _text(answer: Answer, layout: Layout, hits: bool) -> str:
    text = f"{printable(answer.query)}\n"
    if answer.failure:
        return f"{text}  cannot be answered: {printable(answer.failure.reason)}\n"
    if answer.label_kind == "general" and answer.predictions:
        text += f"  {GENERAL}\n"
    text += "".join(f"  {one.probability:7.1%}  {printable(one.species)}\n" for one in answer.predictions)
    if not hits:
        return text
    label = label_head(answer.label_kind)
    lines = table(_hit_columns(answer.hits, label, layout), answer.hits, "no photos found")
    return text + "".join(f"  {line}" for line in lines)


def _hit_columns(hits: Sequence[Hit], label: str, layout: Layout) -> list[Column[Hit]]:
    def hidden(hit: Hit) -> str:
        return f"+{hit.hidden}" if hit.hidden else ""

    return [
        Column("rank", lambda hit: str(hit.rank), right=True),
        Column("score", lambda hit: f"{hit.score:.3f}", right=True),
        Column(label, lambda hit: hit.species or ""),
        Column("", lambda hit: percent(hit.probability), right=True),
        Column("taken", lambda hit: minute(hit.taken_at)),
        *([Column("hidden", hidden, right=True)] if any(hit.hidden is not None for hit in hits) else []),
        Column("path", lambda hit: path_text(hit.path, layout)),
    ]
