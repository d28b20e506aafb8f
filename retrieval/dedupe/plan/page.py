"""A plan as one HTML page to look at: every file beside its keeper, with its picture inside the page.

The page needs nothing else, neither network nor script, and says so to the browser: its policy lets in only its own
style and script. Everything that comes from outside is escaped. Making thumbnails is left to the caller.
"""

import base64
import hashlib
import html
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from retrieval.dedupe.plan import totals
from retrieval.dedupe.plan.page_assets import SCRIPT, STYLE
from retrieval.dedupe.plan.records import REMOVABLE, Action, Group, Kind, Member, Plan, PlannedFile
from retrieval.durable import replacing
from retrieval.errors import PhotoError, PlanError
from retrieval.text import format_count, format_size, printable

Thumbnails = Callable[[Path], bytes | None]

# In this order, for what needs a person's eye comes first.
_SECTIONS = {
    Kind.NEAR: ("Near duplicates", "The same picture, edited, resized or recompressed. The least certain first."),
    Kind.SAME_PIXELS: ("Same pixels", "The same picture to the last pixel, in other bytes: metadata or container."),
    Kind.EXACT: ("Exact copies", "The same bytes."),
    Kind.BURST: ("Bursts", "One camera, moments apart: different pictures, kept."),
    Kind.RAW_JPEG: ("RAW and JPEG", "One shot in two files: kept together."),
}


def write_page(
    plan: Plan, path: Path, thumbnails: Thumbnails, *, limit: int | None = None, overwrite: bool = False
) -> None:
    """Write the page, group by group, whole or not at all.

    `thumbnails` gives a file's picture as JPEG; where it gives None or raises PhotoError, a grey box says so. Beyond
    `limit` groups the page tells only how many more there are. Raises PlanError for another suffix than .html or .htm,
    for a file that is there unless `overwrite` is said, and where writing fails.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise PlanError(f"{path} is no name for a page: end it in .html")
    if not overwrite and os.path.lexists(path):
        raise PlanError(f"{path} exists: choose another name, or delete it first")
    try:
        with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
            for chunk in chunks(plan, thumbnails, limit=limit):
                file.write(chunk)
    except OSError as error:
        raise PlanError(f"{path} cannot be written: {error.strerror or error}") from error


def chunks(plan: Plan, thumbnails: Thumbnails, *, limit: int | None = None) -> Iterator[str]:
    """Yield the page piece by piece; no more than one file's picture is held at a time."""
    tallies = totals.by_kind(plan.groups)
    yield _head(plan, tallies)
    left = len(plan.groups) if limit is None else limit
    for kind in filter(tallies.__contains__, _SECTIONS):
        groups = sorted((group for group in plan.groups if group.kind == kind), key=_certainty)
        yield _section_head(kind, len(groups))
        for group in groups[:left]:
            yield from _group(group, thumbnails)
        if len(groups) > left:
            more = format_count(len(groups) - left, "group")
            yield f'<p class="more">{more} more: not on this page, but in the plan.</p>\n'
        left = max(left - len(groups), 0)
        yield "</section>\n"
    yield f"</main>\n<footer>{_advice()}</footer>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"


def _certainty(group: Group) -> float:
    """Order near duplicates by their least certain match; the others stay in the plan's order."""
    return min((member.score for member in group.members), default=1.0) if group.kind == Kind.NEAR else 1.0


def _escaped(text: str) -> str:
    return html.escape(printable(text))


def _policy() -> str:
    def allow(source: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"

    return f"default-src 'none'; img-src data:; style-src {allow(STYLE)}; script-src {allow(SCRIPT)}"


def _head(plan: Plan, tallies: dict[Kind, totals.Tally]) -> str:
    total = sum((tallies[kind] for kind in tallies if kind in REMOVABLE), totals.Tally())
    found = f"{format_count(total.removed, 'file')} to remove, {format_size(total.removed_bytes)} to win"
    made = f"Planned {plan.created_at[:16].replace('T', ' ')} from {plan.index}."
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_policy()}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Duplicates: {found}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>{found if plan.groups else "No duplicates found"}</h1>
<p class="soft">{_escaped(made)} Nothing has been changed yet.</p>
{_summary(tallies, total) if plan.groups else ""}</header>
{_tools(tallies)}<main>
"""


def _summary(tallies: dict[Kind, totals.Tally], total: totals.Tally) -> str:
    def cells(counts: totals.Tally) -> str:
        numbers = (f"{counts.groups:,}", f"{counts.files:,}", f"{counts.removed:,}", format_size(counts.removed_bytes))
        return "".join(f"<td>{number}</td>" for number in numbers)

    rows = "".join(
        f'<tr><th><a href="#{_anchor(kind)}">{_SECTIONS[kind][0]}</a></th>{cells(tallies[kind])}</tr>\n'
        for kind in _SECTIONS
        if kind in tallies
    )
    headings = "".join(f"<th>{name}</th>" for name in ("Kind", "Groups", "Files", "To remove", "To win"))
    sum_row = f"<tfoot><tr><th>Duplicates together</th>{cells(total)}</tr></tfoot>\n" if total.groups else ""
    return f"<table>\n<thead><tr>{headings}</tr></thead>\n<tbody>\n{rows}</tbody>\n{sum_row}</table>\n"


def _tools(tallies: dict[Kind, totals.Tally]) -> str:
    boxes = "".join(
        f'<label><input type="checkbox" value="{_anchor(kind)}" checked> {_SECTIONS[kind][0]}</label>\n'
        for kind in _SECTIONS
        if kind in tallies
    )
    hint = '<span class="soft">j and k step through the groups, / searches</span>'
    field = '<input type="search" placeholder="Search names, folders, reasons" aria-label="Search">'
    return f'<div id="tools" hidden><div>{field}\n{boxes}<span id="shown"></span>\n{hint}</div></div>\n'


def _anchor(kind: Kind) -> str:
    return kind.value.replace("+", "-")


def _section_head(kind: Kind, groups: int) -> str:
    title, explanation = _SECTIONS[kind]
    heading = f'<h2>{title} <span class="soft">{groups:,}</span></h2>'
    return f'<section id="{_anchor(kind)}">\n{heading}\n<p class="soft">{explanation}</p>\n'


def _group(group: Group, thumbnails: Thumbnails) -> Iterator[str]:
    counts = totals.of_group(group)
    win = f"{format_size(counts.removed_bytes)} to win" if counts.removed else "nothing to remove"
    heading = f"<h3><span>Group {group.number}</span><span>{win}</span></h3>"
    yield f'<article class="group">\n{heading}\n<div class="files">\n'
    yield _figure(group.keeper, _keeper_words(group), thumbnails, keeper=True)
    for member in group.members:
        yield _figure(member.file, _member_words(member), thumbnails)
    yield "</div>\n</article>\n"


def _figure(file: PlannedFile, said: tuple[str, str], thumbnails: Thumbnails, *, keeper: bool = False) -> str:
    badge, reason = said
    name = _escaped(file.path.name)
    folder = _escaped(str(file.path.parent)).replace(os.sep, f"{os.sep}<wbr>")  # lines break there
    date = f'<div class="facts">{_escaped(file.taken_at.replace("T", " "))}</div>\n' if file.taken_at else ""
    return f"""<figure class="{"keeper" if keeper else "member"}">
<a href="{html.escape(file.path.as_uri())}" target="_blank">{_picture(file.path, thumbnails)}</a>
<figcaption>
<div class="name">{name}</div>
<div class="folder">{folder}</div>
<div class="facts">{_facts(file)}</div>
{date}<div class="why">{badge}{reason}</div>
</figcaption>
</figure>
"""


def _picture(path: Path, thumbnails: Thumbnails) -> str:
    try:
        jpeg, reason = thumbnails(path), "no preview"
    except PhotoError as error:
        jpeg, reason = None, error.reason
    if jpeg is None:
        return f'<span class="none">{_escaped(reason)}</span>'
    data = base64.b64encode(jpeg).decode("ascii")
    return f'<img loading="lazy" decoding="async" alt="{_escaped(path.name)}" src="data:image/jpeg;base64,{data}">'


def _facts(file: PlannedFile) -> str:
    sides = f"{file.width} × {file.height}" if file.width and file.height else "unknown pixels"
    return " · ".join((sides, format_size(file.size), *([_escaped(file.format)] if file.format else [])))


def _keeper_words(group: Group) -> tuple[str, str]:
    name = "Stays, in a reference folder" if group.keeper.protected else "Stays"
    return f'<span class="badge keep">{name}</span>', _escaped(group.why)


def _member_words(member: Member) -> tuple[str, str]:
    removed = member.action == Action.REMOVE
    badge = '<span class="badge remove">To remove</span>' if removed else '<span class="badge">Kept</span>'
    reason = _escaped(member.reason or "not compared with this keeper yet")
    numbers = [f"cosine {member.cosine:.3f}"] if member.cosine is not None else []
    numbers.append(f"score {member.score:.3f}")
    lines = [f'<div class="match">{" · ".join(numbers)}</div>']
    if member.along:
        names = ", ".join(_escaped(path.name) for path in member.along)
        lines.append(f'<div class="match">moves along: {names}</div>')
    return badge, reason + "".join(lines)


def _advice() -> str:
    return (
        "To change anything, edit the plan file: the action of a file is keep or remove, and a file whose row is "
        "deleted is left alone. Then run <code>retrieval dedupe apply</code>."
    )
