"""Runs that changed files: what one has done or put back, the list of them, and pairs that are not duplicates."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval.present.table import Column, RecordForm, of_records
from retrieval.present.view import Layout, View, of_document, path_text
from retrieval.text import format_count, format_size

if TYPE_CHECKING:
    from retrieval.dedupe.run.report import RunReport, RunSummary

GONE = "(a photo that is gone)"
Pair = tuple[Sequence[Path], Sequence[Path]]  # of two contents, the files that have them now


def runs(found: "Iterable[RunSummary]") -> View:
    """Show runs, a row each."""
    return of_records(found, _RUN)


_RUN: "RecordForm[RunSummary]" = RecordForm(
    values={
        "run": lambda one: one.run,
        "started_at": lambda one: one.started_at,
        "mode": lambda one: one.mode,
        "files": lambda one: one.files,
        "bytes": lambda one: one.size,
        "state": lambda one: one.state,
    },
    table=(
        Column("run", lambda one: one.run),
        Column("mode", lambda one: one.mode.value),
        Column("files", lambda one: f"{one.files:,}", right=True),
        Column("size", lambda one: format_size(one.size), right=True),
        Column("state", lambda one: one.state),
    ),
    empty="no runs yet",
)


def run_report(report: "RunReport", text: str) -> View:
    """Show what a run, or its undoing, has done; `text` says it to a person."""
    return of_document(run_document(report), (text,))


def run_document(report: "RunReport") -> dict[str, Any]:
    """Return what a run has done as a JSON object."""
    return {
        "run": report.run,
        "mode": report.mode,
        "dry_run": report.dry_run,
        "resumed": report.resumed,
        "photos": report.photos,
        "sidecars": report.sidecars,
        "sidecars_held": report.sidecars_held,
        "bytes": report.size,
        "folders": sorted(report.folders),
        "interrupted": report.interrupted,
        "stopped": report.stopped,
        "other_kinds": {kind.value: count for kind, count in report.other_kinds.items()},
        "skipped": [{"group": one.group, "path": one.path, "reason": one.reason} for one in report.skipped],
    }


def run_amount(report: "RunReport") -> str:
    """Count the photos, sidecars and bytes of a run."""
    sidecars = f" and {format_count(report.sidecars, 'sidecar')}" if report.sidecars else ""
    return f"{format_count(report.photos, 'photo')}{sidecars} ({format_size(report.size)})"


def ignored_pairs(found: Iterable[Pair], layout: Layout) -> View:
    """Show pairs of photos that are not duplicates, a row each; JSON has all files of each."""

    def name(paths: Sequence[Path]) -> str:
        return path_text(paths[0], layout) if paths else GONE

    shared = iter(found)
    form = RecordForm(
        values={"first": lambda pair: _first(pair[0]), "second": lambda pair: _first(pair[1])},
        table=(Column("first", lambda pair: name(pair[0])), Column("second", lambda pair: name(pair[1]))),
        empty="no pairs yet",
    )
    view = of_records(shared, form)
    return View(
        columns=view.columns,
        rows=view.rows,
        documents=({"first": list(first), "second": list(second)} for first, second in shared),
        table=view.table,
        paths=(path for first, second in shared for path in (*first, *second)),
    )


def _first(paths: Sequence[Path]) -> Path | str:
    return paths[0] if paths else GONE
