"""`retrieval dedupe undo`: put the files of a run back."""

from typing import TYPE_CHECKING

import click

from retrieval.cli import EXIT_INTERRUPTED, EXIT_SOME_FAILED
from retrieval.cli.dedupe.apply import report_option, show_report, undo_command
from retrieval.cli.options import find_index, index_option, progress_option, verbose_option
from retrieval.cli.progress import shown
from retrieval.cli.remedies import in_words
from retrieval.text import printable

if TYPE_CHECKING:
    from retrieval.dedupe.run.report import RunReport


@click.command()
@click.argument("run", required=False)
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be put back; change nothing.")
@click.option("--strict", is_flag=True, help="Exit with 3 if some files could not be put back.")
@report_option
@index_option
@progress_option
@verbose_option
def command(
    run: str | None,
    dry_run: bool,
    strict: bool,
    form: str | None,
    index_folder: str | None,
    progress: bool | None,
) -> None:
    """Put the files of a run back.

    RUN is a name from `retrieval dedupe runs`; by default the last run is undone. A file stays where it is, and is
    listed, if it has changed since or if there is another file in its old place.

    \b
    Examples:
      retrieval dedupe undo --dry-run
      retrieval dedupe undo
    """
    from retrieval.index import Index

    with Index.open(find_index(index_folder)) as index, shown(progress) as show:
        report = index.undo(run, dry_run=dry_run, progress=show)
    show_report(report, summary(report, index_folder), form)
    if report.interrupted:
        raise SystemExit(EXIT_INTERRUPTED)
    if strict and report.skipped:
        raise SystemExit(EXIT_SOME_FAILED)


def summary(report: "RunReport", index_folder: str | None) -> str:
    """Describe in words what was put back and what was left."""
    from retrieval.present.runs import run_amount

    lines = [f"left (group {one.group}): {printable(in_words(one.error))}" for one in report.skipped]
    would = "would be " if report.dry_run else ""
    lines.append(f"{run_amount(report)} {would}put back; run {report.run}.")
    if not (report.photos or report.sidecars or report.skipped):
        lines.append("There was nothing left to put back. `retrieval dedupe runs` lists earlier runs.")
    if report.interrupted:
        lines.append(f"Interrupted. To resume: {undo_command(report.run, index_folder)}")
    return "\n".join(lines)
