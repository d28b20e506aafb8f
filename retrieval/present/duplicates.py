"""Groups of duplicates as text: a summary, a table, TSV, CSV, JSON or JSONL. Writing it out is the edge's work."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from retrieval.dedupe.plan.records import REMOVABLE, Action, Group, Kind, Member, Plan, PlannedFile
from retrieval.dedupe.plan.totals import Totals, totals_by_kind
from retrieval.present.answers import render, shown
from retrieval.text import csv_line, dump_json, format_count, format_size, printable, tsv_line

COLUMNS = ("kind", "group", "keeper", "member", "action", "cosine", "score", "reason", "why")
KIND_NAMES = {
    Kind.EXACT: "exact copies",
    Kind.SAME_PIXELS: "same pixels",
    Kind.NEAR: "near duplicates",
    Kind.BURST: "bursts",
    Kind.RAW_JPEG: "RAW and JPEG",
}

Row = tuple[Any, ...]


def summary(plan: Plan, apart: Sequence[Group] = (), *, width: int | None = None) -> str:
    """Count groups, files to remove and bytes to free, by kind and in all; `apart` are groups outside the plan."""
    totals = totals_by_kind(chain(plan.groups, apart))
    offered = {kind: counts for kind, counts in totals.items() if kind in REMOVABLE}
    kept = {kind: counts for kind, counts in totals.items() if kind not in REMOVABLE}
    text = render(_totals_table(offered), width) if offered else "no duplicates found\n"
    for kind, counts in kept.items():
        files = f"{format_count(counts.files, 'file')} in {format_count(counts.groups, 'group')}"
        removed = f", {counts.removed:,} to remove" if counts.removed else ", kept"
        text += f"{KIND_NAMES[kind]}: {files}{removed}\n"
    return text


def _totals_table(totals: dict[Kind, Totals]) -> Table:
    total = sum(totals.values(), Totals())
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_footer=len(totals) > 1)
    table.add_column("kind", footer="together")
    columns = {
        "groups": f"{total.groups:,}",
        "to remove": f"{total.removed:,}",
        "to free": format_size(total.removed_bytes),
    }
    for name, footer in columns.items():
        table.add_column(name, footer=footer, justify="right")
    for kind, counts in totals.items():
        table.add_row(KIND_NAMES[kind], f"{counts.groups:,}", f"{counts.removed:,}", format_size(counts.removed_bytes))
    return table


def document(plan: Plan, apart: Sequence[Group] = (), *, relative: bool = False) -> dict[str, Any]:
    """Return the groups as the JSON object that the README describes; a keeper is not among its members."""
    return {
        "model": plan.model,
        "groups": [group_document(group, relative) for group in plan.groups],
        "apart": [group_document(group, relative) for group in apart],
    }


def group_document(group: Group, relative: bool = False) -> dict[str, Any]:
    """Return one group as JSON."""
    return {
        "group": group.number,
        "kind": group.kind.value,
        "keeper": {**_file_document(group.keeper, relative), "why": group.why},
        "members": [_member_document(member, relative) for member in group.members],
    }


def _file_document(file: PlannedFile, relative: bool) -> dict[str, Any]:
    return {
        "path": shown(file.path, relative),
        "bytes": file.size,
        "width": file.width,
        "height": file.height,
        "taken_at": file.taken_at,
        "protected": file.protected,
        "sha256": file.sha256,
    }


def _member_document(member: Member, relative: bool) -> dict[str, Any]:
    return {
        **_file_document(member.file, relative),
        "action": member.action.value,
        "cosine": None if member.cosine is None else round(member.cosine, 6),
        "score": round(member.score, 6),
        "reason": member.reason,
        "moves_along": [shown(path, relative) for path in member.along],
    }


def groups(
    plan: Plan, form: str, apart: Sequence[Group] = (), *, relative: bool = False, width: int | None = None
) -> Iterator[str]:
    """Render all groups as table, tsv, csv, json or jsonl, the latter one group a line, those apart last.

    `width` is the screen's, for tables. Paths are absolute, or with `relative` seen from the current folder.
    """
    if form == "json":
        yield from _whole_document(plan, apart, relative)
    elif form == "jsonl":
        yield from (dump_json(group_document(group, relative)) + "\n" for group in chain(plan.groups, apart))
    elif form == "table":
        yield from (_group_table(group, relative, width) for group in chain(plan.groups, apart))
    else:
        line = csv_line if form == "csv" else tsv_line
        yield line(COLUMNS)
        yield from (line(row) for row in rows(chain(plan.groups, apart), relative=relative))


def rows(found: Iterable[Group], *, relative: bool = False) -> Iterator[Row]:
    """Yield one row a member, by COLUMNS."""
    for group in found:
        keeper = shown(group.keeper.path, relative)
        for member in group.members:
            cosine = "" if member.cosine is None else f"{member.cosine:.6f}"
            path = shown(member.file.path, relative)
            match = (member.action.value, cosine, f"{member.score:.6f}", member.reason, group.why)
            yield (group.kind.value, group.number, keeper, path, *match)


def _whole_document(plan: Plan, apart: Sequence[Group], relative: bool) -> Iterator[str]:
    """Write `document` group by group: a plan can have a hundred thousand."""
    for opening, found in (
        (f'{{\n"model": {dump_json(plan.model)},\n"groups": [', plan.groups),
        (',\n"apart": [', apart),
    ):
        yield opening
        for place, group in enumerate(found):
            yield ("," if place else "") + "\n" + dump_json(group_document(group, relative), indent=2)
        yield "\n]" if found else "]"
    yield "\n}\n"


def _group_table(group: Group, relative: bool, width: int | None) -> str:
    keeper = printable(shown(group.keeper.path, relative))
    heading = f"{group.kind.value} {group.number}: {keeper} stays: {printable(group.why)}\n"
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    table.add_column("cosine", justify="right")
    table.add_column("score", justify="right")
    table.add_column("size", justify="right")
    table.add_column("reason", overflow="fold")
    table.add_column("path", overflow="fold")
    for member in group.members:
        table.add_row(
            "remove" if member.action == Action.REMOVE else "keep",
            "" if member.cosine is None else f"{member.cosine:.3f}",
            f"{member.score:.3f}",
            format_size(member.file.size),
            printable(member.reason),
            printable(shown(member.file.path, relative)),
        )
    return heading + render(table, width)
