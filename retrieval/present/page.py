"""A plan as a single HTML page: every file beside its keeper, with its thumbnail.

The page is self-contained, and its content security policy allows nothing but its own style and script. It reads and
prints without the script. All text is escaped. Thumbnails come from the caller.
"""

import base64
import hashlib
import html
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from retrieval.dedupe.plan.records import REMOVABLE, Action, Group, Kind, Member, Plan, PlannedFile
from retrieval.dedupe.plan.totals import Totals, group_totals, totals_by_kind
from retrieval.durable import replacing
from retrieval.errors import PhotoError, PlanError, Remedy
from retrieval.present.page_assets import SCRIPT, STYLE
from retrieval.records import Box
from retrieval.text import format_count, format_size, printable

Thumbnails = Callable[[Path], bytes | None]

# What a person needs to look at comes first.
_SECTIONS = {
    Kind.NEAR: (
        "Near duplicates",
        "One shot, edited, resized or recompressed: what stays shows all that goes. The least certain come first.",
    ),
    Kind.ALTERED: ("Altered pictures", "One shot with something added, covered or retouched. Boxes show where."),
    Kind.SAME_PIXELS: ("Same pixels", "The same picture to the last bit, in another container or with other metadata."),
    Kind.EXACT: ("Exact copies", "The same bytes."),
    Kind.OVERLAP: ("Overlapping pictures", "Parts of one scene, each with something of its own: all kept."),
    Kind.SAME_SCENE: ("Shots of one scene", "Different shots that look alike: all kept. Boxes show where they differ."),
    Kind.BURST: ("Bursts", "Taken by one camera moments apart: different pictures, all kept."),
    Kind.RAW_JPEG: ("RAW and JPEG", "One shot in two files, kept together."),
}


_SHOWN_APART = (Kind.ALTERED, Kind.OVERLAP, Kind.SAME_SCENE)  # bursts and RAW+JPEG pairs can be tens of thousands


def write_page(
    plan: Plan,
    path: Path,
    thumbnails: Thumbnails,
    *,
    apart: Sequence[Group] = (),
    limit: int | None = None,
    overwrite: bool = False,
) -> None:
    """Write the page, all of it or nothing.

    `apart` are groups outside the plan; those with pictures that differ are shown as well. `thumbnails` returns the
    JPEG of a file; if it returns None or raises PhotoError, the page has a grey box instead. Of more than `limit`
    groups, the rest are only counted. Raises PlanError for another suffix than .html or .htm, if the file exists and
    `overwrite` is false, and if writing fails.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise PlanError(f"{path} cannot be a page: its name must end in .html")
    if not overwrite and os.path.lexists(path):
        raise PlanError(f"{path} exists", Remedy.OTHER_FILE_NAME)
    try:
        with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
            for chunk in chunks(plan, thumbnails, apart=apart, limit=limit):
                file.write(chunk)
    except OSError as error:
        raise PlanError(f"{path} cannot be written: {error.strerror or error}") from error


def chunks(
    plan: Plan, thumbnails: Thumbnails, *, apart: Sequence[Group] = (), limit: int | None = None
) -> Iterator[str]:
    """Yield the page piece by piece, with one thumbnail in memory at a time."""
    apart = [group for group in apart if group.kind in _SHOWN_APART]
    totals = totals_by_kind(chain(plan.groups, apart))
    yield _head(plan, totals)
    left = len(plan.groups) + len(apart) if limit is None else limit
    for kind in filter(totals.__contains__, _SECTIONS):
        planned = sorted((group for group in plan.groups if group.kind == kind), key=_certainty)
        groups = [*planned, *(group for group in apart if group.kind == kind)]
        yield _section_head(kind, len(groups))
        for place, group in enumerate(groups[:left]):
            yield from _group(group, thumbnails, in_plan=place < len(planned))
        if len(groups) > left:
            more = format_count(len(groups) - left, "group")
            yield f'<p class="more">{more} more, not shown on this page.</p>\n'
        left = max(left - len(groups), 0)
        yield "</section>\n"
    yield f"</main>\n<footer>{_advice()}</footer>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"


def _certainty(group: Group) -> float:
    """Return a sort key: near duplicates by their least certain match, the others in the order of the plan."""
    return min((member.score for member in group.members), default=1.0) if group.kind == Kind.NEAR else 1.0


def _escaped(text: str) -> str:
    return html.escape(printable(text))


def _policy() -> str:
    def allow(source: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"

    return f"default-src 'none'; img-src data:; style-src {allow(STYLE)}; script-src {allow(SCRIPT)}"


def _head(plan: Plan, totals: dict[Kind, Totals]) -> str:
    total = sum((counts for kind, counts in totals_by_kind(plan.groups).items() if kind in REMOVABLE), Totals())
    found = f"{format_count(total.removed, 'file')} to remove, {format_size(total.removed_bytes)} to free"
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
{_summary(totals, total) if totals else ""}</header>
{_tools(totals)}<main>
"""


def _summary(totals: dict[Kind, Totals], total: Totals) -> str:
    def cells(counts: Totals) -> str:
        numbers = (f"{counts.groups:,}", f"{counts.files:,}", f"{counts.removed:,}", format_size(counts.removed_bytes))
        return "".join(f"<td>{number}</td>" for number in numbers)

    rows = "".join(
        f'<tr><th><a href="#{_anchor(kind)}">{_SECTIONS[kind][0]}</a></th>{cells(totals[kind])}</tr>\n'
        for kind in _SECTIONS
        if kind in totals
    )
    headings = "".join(f"<th>{name}</th>" for name in ("Kind", "Groups", "Files", "To remove", "To free"))
    sum_row = f"<tfoot><tr><th>Duplicates in all</th>{cells(total)}</tr></tfoot>\n" if total.groups else ""
    return f"<table>\n<thead><tr>{headings}</tr></thead>\n<tbody>\n{rows}</tbody>\n{sum_row}</table>\n"


def _tools(totals: dict[Kind, Totals]) -> str:
    boxes = "".join(
        f'<label><input type="checkbox" value="{_anchor(kind)}" checked> {_SECTIONS[kind][0]}</label>\n'
        for kind in _SECTIONS
        if kind in totals
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


def _group(group: Group, thumbnails: Thumbnails, *, in_plan: bool) -> Iterator[str]:
    counts = group_totals(group)
    frees = f"{format_size(counts.removed_bytes)} to free" if counts.removed else "nothing to remove"
    heading = f"<h3><span>{f'Group {group.number}' if in_plan else 'Not in the plan'}</span><span>{frees}</span></h3>"
    yield f'<article class="group">\n{heading}\n<div class="files">\n'
    boxes = [box for member in group.members for box in member.keeper_places]
    yield _figure(group.keeper, _keeper_note(group), boxes, thumbnails, keeper=True)
    for member in group.members:
        yield _figure(member.file, _member_note(member), member.places, thumbnails)
    yield "</div>\n</article>\n"


def _figure(
    file: PlannedFile,
    note: tuple[str, str],
    boxes: Iterable[Box],
    thumbnails: Thumbnails,
    *,
    keeper: bool = False,
) -> str:
    badge, reason = note
    name = _escaped(file.path.name)
    folder = _escaped(str(file.path.parent)).replace(os.sep, f"{os.sep}<wbr>")
    date = f'<div class="facts">{_escaped(file.taken_at.replace("T", " "))}</div>\n' if file.taken_at else ""
    return f"""<figure class="{"keeper" if keeper else "member"}">
<a href="{html.escape(file.path.as_uri())}" target="_blank">{_picture(file.path, thumbnails)}{_places(file, boxes)}</a>
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


def _places(file: PlannedFile, boxes: Iterable[Box]) -> str:
    """Draw where a picture differs, to be laid over it: its own proportions fit it into the same frame."""
    width, height = file.width, file.height
    if not width or not height:
        return ""
    drawn = "".join(
        f'<rect x="{x * width // 1000}" y="{y * height // 1000}" width="{max(1, w * width // 1000)}"'
        f' height="{max(1, h * height // 1000)}"/>'
        for x, y, w, h in dict.fromkeys(boxes)
    )
    return f'<svg class="places" viewBox="0 0 {width} {height}" aria-hidden="true">{drawn}</svg>' if drawn else ""


def _facts(file: PlannedFile) -> str:
    sides = f"{file.width} × {file.height}" if file.width and file.height else "unknown size"
    return " · ".join((sides, format_size(file.size), *([_escaped(file.format)] if file.format else [])))


def _keeper_note(group: Group) -> tuple[str, str]:
    name = "Stays, in a reference folder" if group.keeper.protected else "Stays"
    return f'<span class="badge keep">{name}</span>', _escaped(group.why)


def _member_note(member: Member) -> tuple[str, str]:
    removed = member.action == Action.REMOVE
    badge = '<span class="badge remove">To remove</span>' if removed else '<span class="badge">Kept</span>'
    reason = _escaped(member.reason or "not compared with this keeper yet")
    numbers = [f"cosine {member.cosine:.3f}"] if member.cosine is not None else []
    numbers.append(f"score {member.score:.3f}")
    lines = [f'<div class="match">{" · ".join(numbers)}</div>']
    if member.would_lose:
        lines.insert(0, f'<div class="lost">would lose: {_escaped(member.would_lose)}</div>')
    if member.along:
        names = ", ".join(_escaped(path.name) for path in member.along)
        lines.append(f'<div class="match">moves along: {names}</div>')
    return badge, reason + "".join(lines)


def _advice() -> str:
    return (
        "Nothing happens until the plan is applied. To change it, edit the plan file: set the action of a file to keep "
        "or remove, or delete its row to leave the file alone."
    )
