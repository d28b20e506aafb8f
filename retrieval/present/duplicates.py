"""Groups of duplicates, and the summary of a search for them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from retrieval.dedupe.plan.records import LOSSLESS, REMOVABLE, Action, Group, Kind, Member, Plan, PlannedFile
from retrieval.dedupe.plan.totals import Totals, totals_by_kind
from retrieval.present.table import Column, table
from retrieval.present.view import Layout, Row, View, path_text, plain
from retrieval.text import dump_json, format_count, format_size, printable

COLUMNS = ("kind", "group", "keeper", "member", "action", "cosine", "score", "reason", "why", "would_lose")
KIND_NAMES = {
    Kind.EXACT: "exact copies",
    Kind.SAME_PIXELS: "same pixels",
    Kind.NEAR: "near duplicates",
    Kind.ALTERED: "altered pictures",
    Kind.OVERLAP: "overlapping pictures",
    Kind.SAME_SCENE: "shots of one scene",
    Kind.BURST: "bursts",
    Kind.RAW_JPEG: "RAW and JPEG",
}


def duplicates(plan: Plan, apart: Sequence[Group] = (), *, layout: Layout) -> View:
    """Show groups, those apart from the plan last: a row for each member, or a JSON line for each group.

    The bare paths are those of the files to remove.
    """
    groups = (*plan.groups, *apart)
    return View(
        columns=COLUMNS,
        rows=([*rows([group])] for group in groups),
        documents=(group_document(group) for group in groups),
        table=(_group_table(group, layout) for group in groups),
        paths=(one.file.path for group in plan.groups for one in group.members if one.action is Action.REMOVE),
        json=_json(plan, apart, layout),
    )


def reason(member: Member) -> str:
    """Say how a member matches its keeper, and what would be lost without it."""
    return "; ".join(filter(None, (member.reason, member.would_lose and f"would lose: {member.would_lose}")))


def summary(plan: Plan, apart: Sequence[Group] = ()) -> str:
    """Count groups, files to remove and bytes to free, by kind and in all; `apart` are groups outside the plan."""
    totals = totals_by_kind(chain(plan.groups, apart))
    in_table = [kind for kind in totals if kind in LOSSLESS or (kind in REMOVABLE and totals[kind].removed)]
    offered = [(KIND_NAMES[kind], totals[kind]) for kind in in_table]
    if len(offered) > 1:
        offered.append(("together", sum((counts for _, counts in offered), Totals())))
    text = "".join(table(_TOTALS, offered, "no duplicates found"))
    for kind, counts in totals.items():
        if kind not in in_table:
            files = f"{format_count(counts.files, 'file')} in {format_count(counts.groups, 'group')}"
            removed = f", {counts.removed:,} to remove" if counts.removed else ", kept"
            text += f"{KIND_NAMES[kind]}: {files}{removed}\n"
    return text


def document(plan: Plan, apart: Sequence[Group] = ()) -> dict[str, Any]:
    """Return the groups as the JSON object that the README describes; a keeper is not among its members."""
    return {
        "model": plan.model,
        "groups": [group_document(group) for group in plan.groups],
        "apart": [group_document(group) for group in apart],
    }


def group_document(group: Group) -> dict[str, Any]:
    """Return one group as a JSON object."""
    return {
        "group": group.number,
        "kind": group.kind,
        "keeper": {**_file_document(group.keeper), "why": group.why},
        "members": [_member_document(member) for member in group.members],
    }


def rows(groups: Iterable[Group]) -> Iterator[Row]:
    """Yield one row a member, by COLUMNS."""
    for group in groups:
        for member in group.members:
            match = (member.action, member.cosine, member.score, member.reason, group.why, member.would_lose)
            yield group.kind, group.number, group.keeper.path, member.file.path, *match


_TOTALS: "tuple[Column[tuple[str, Totals]], ...]" = (
    Column("kind", lambda one: one[0]),
    Column("groups", lambda one: f"{one[1].groups:,}", right=True),
    Column("to remove", lambda one: f"{one[1].removed:,}", right=True),
    Column("to free", lambda one: format_size(one[1].removed_bytes), right=True),
)


def _file_document(file: PlannedFile) -> dict[str, Any]:
    return {
        "path": file.path,
        "bytes": file.size,
        "width": file.width,
        "height": file.height,
        "taken_at": file.taken_at,
        "protected": file.protected,
        "sha256": file.sha256,
    }


def _member_document(member: Member) -> dict[str, Any]:
    return {
        **_file_document(member.file),
        "action": member.action,
        "cosine": member.cosine,
        "score": member.score,
        "reason": member.reason,
        "would_lose": member.would_lose or None,
        "places": [list(box) for box in member.places],
        "keeper_places": [list(box) for box in member.keeper_places],
        "moves_along": list(member.along),
    }


def _json(plan: Plan, apart: Sequence[Group], layout: Layout) -> Iterator[str]:
    """Write `document` group by group: a plan can have a hundred thousand."""
    for opening, found in (
        (f'{{\n"model": {dump_json(plan.model)},\n"groups": [', plan.groups),
        (',\n"apart": [', apart),
    ):
        yield opening
        for place, group in enumerate(found):
            yield ("," if place else "") + "\n" + dump_json(plain(group_document(group), layout), indent=2)
        yield "\n]" if found else "]"
    yield "\n}\n"


def _group_table(group: Group, layout: Layout) -> str:
    columns: tuple[Column[Member], ...] = (
        Column("", lambda one: one.action.value),
        Column("cosine", lambda one: "" if one.cosine is None else f"{one.cosine:.3f}", right=True),
        Column("score", lambda one: f"{one.score:.3f}", right=True),
        Column("size", lambda one: format_size(one.file.size), right=True),
        Column("reason", reason),
        Column("path", lambda one: path_text(one.file.path, layout)),
    )
    keeper = printable(path_text(group.keeper.path, layout))
    heading = f"{group.kind.value} {group.number}: {keeper} stays: {printable(group.why)}\n"
    return heading + "".join(f"  {line}" for line in table(columns, group.members, "no members")) + "\n"
