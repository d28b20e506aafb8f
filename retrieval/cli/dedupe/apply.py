"""`retrieval dedupe apply`: carry out a plan."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrieval.cli import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_SOME_FAILED
from retrieval.cli.options import (
    OUTPUT_FORMATS,
    choose_layout,
    find_index,
    index_option,
    progress_option,
    say,
    show_view,
    verbose_option,
)
from retrieval.cli.progress import shown
from retrieval.cli.remedies import in_words
from retrieval.text import format_count, printable

if TYPE_CHECKING:
    from retrieval.dedupe.run.records import ApplyOptions
    from retrieval.dedupe.run.report import RunReport

DONE = {
    "move": "moved",
    "trash": "moved to the trash",
    "hardlink": "made hard links of their keepers",
    "reflink": "sharing their keepers' blocks",
    "delete": "deleted",
}
KINDS = ("exact", "same-pixels", "near")
report_option = click.option(
    "--format",
    "form",
    type=click.Choice(OUTPUT_FORMATS),
    help="Print what was done on stdout, too: for programs. Without it, in words on stderr alone.",
)


@click.command()
@click.argument("plan", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Move files to this folder. Without it: to a hidden folder .retrieval-held in the archive folder.",
)
@click.option("--trash", is_flag=True, help="Move files to the system's trash.")
@click.option("--hardlink", is_flag=True, help="Make files names of their keeper; only the same bytes on one disk.")
@click.option("--reflink", is_flag=True, help="Let files share their keeper's blocks; only the same bytes on one disk.")
@click.option("--delete", is_flag=True, help="Delete files; needs --yes-delete-permanently, and cannot be undone.")
@click.option("--yes-delete-permanently", is_flag=True, help="Confirm --delete.")
@click.option(
    "--kinds",
    default="exact",
    show_default=True,
    metavar="KIND,...",
    help=f"Which groups to act on: {', '.join(KINDS)}.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Check every file, and say what would be done; change nothing.")
@click.option("--strict", is_flag=True, help="Exit with 3 if something was skipped.")
@report_option
@index_option
@progress_option
@verbose_option
def command(
    plan: Path, index_folder: str | None, strict: bool, form: str | None, progress: bool | None, **options: Any
) -> None:
    r"""Carry out a plan: move duplicates to a holding folder, or what else you say.

    Each file and its keeper are read again just before; what has changed since is skipped. RAW, JPEG and sidecars of a
    shot go together. Files in reference folders are never touched, and `retrieval dedupe undo` puts everything back.

    \b
      retrieval dedupe apply plan.csv --dry-run
      retrieval dedupe apply plan.csv --kinds exact,same-pixels --format json
    """
    from retrieval.index import Index

    chosen = choose(**options)
    with Index.open(find_index(index_folder)) as index, shown(progress) as show:
        report = index.apply(plan, chosen, progress=show)
    show_report(report, summary(report, index_folder), form)
    if report.interrupted:
        raise SystemExit(EXIT_INTERRUPTED)
    if report.stopped:
        raise SystemExit(EXIT_FAILED)
    if strict and report.skipped:
        raise SystemExit(EXIT_SOME_FAILED)


def show_report(report: "RunReport", text: str, form: str | None) -> None:
    """Tell a person on stderr what was done; a program, where a format is asked for, on stdout."""
    say(text)
    if form is not None:
        from retrieval.present.runs import run_report

        show_view(run_report(report, text + "\n"), choose_layout(form))


def choose(
    *,
    to: Path | None,
    trash: bool,
    hardlink: bool,
    reflink: bool,
    delete: bool,
    yes_delete_permanently: bool,
    kinds: str,
    dry_run: bool,
) -> "ApplyOptions":
    """Put the options together; raise UsageError for those that exclude each other."""
    from retrieval.dedupe.plan.records import Kind
    from retrieval.dedupe.run.records import ApplyOptions, Mode

    flags = {Mode.TRASH: trash, Mode.HARDLINK: hardlink, Mode.REFLINK: reflink, Mode.DELETE: delete}
    chosen = [mode for mode, wanted in flags.items() if wanted]
    if len(chosen) + (to is not None) > 1:
        raise click.UsageError("--to, --trash, --hardlink, --reflink and --delete exclude each other: choose one.")
    if delete and not (yes_delete_permanently or dry_run):
        raise click.UsageError("--delete cannot be undone: say --yes-delete-permanently as well, or leave it out.")
    names = [name.strip() for name in kinds.split(",") if name.strip()]
    unknown = [name for name in names if name not in KINDS]
    if unknown or not names:
        raise click.UsageError(f"--kinds takes {', '.join(KINDS)}, not {', '.join(unknown) or 'nothing'}.")
    mode = chosen[0] if chosen else Mode.MOVE
    return ApplyOptions(mode, to, frozenset(Kind(name) for name in names), dry_run)


def summary(report: "RunReport", index_folder: str | None) -> str:
    """Describe to a person what was done, what was left, and how to take it back."""
    lines = [f"skipped (group {one.group}): {printable(in_words(one.error))}" for one in report.skipped]
    if report.resumed:
        lines.append(f"Resumed the unfinished run {report.run}.")
    lines.append(_done(report))
    if report.skipped:
        lines.append(f"{len(report.skipped):,} skipped, for the reasons above; they are as they were.")
    lines += [
        f"{format_count(count, 'file')} in {kind} groups left alone: say --kinds {kind} to remove them."
        for kind, count in report.other_kinds.items()
    ]
    if report.interrupted:
        lines.append("Interrupted, with every file in one place. To go on, run the same command again.")
    if report.stopped:
        lines.append(f"Stopped: {printable(report.stopped)}. Every file is in one place; run the same command again.")
    if report.run and not report.dry_run and (report.photos or report.resumed) and report.mode != "delete":
        lines.append(f"To take it back: {undo_command(report.run, index_folder)}")
    return "\n".join(lines)


def undo_command(run: str | None, index_folder: str | None) -> str:
    """Return what to type to undo a run of this index."""
    words = ["retrieval", "dedupe", "undo", *([run] if run else [])]
    return shlex.join(words + (["--index", index_folder] if index_folder else []))


def _done(report: "RunReport") -> str:
    from retrieval.present.runs import run_amount

    folders = ", ".join(printable(str(folder)) for folder in sorted(report.folders))
    done = f"{run_amount(report)} {'would be ' if report.dry_run else ''}{DONE[report.mode]}"
    return f"{done} to {folders}." if folders and report.mode == "move" else f"{done}."
