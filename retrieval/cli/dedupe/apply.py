"""`retrieval dedupe apply`: apply a plan."""

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
    "hardlink": "replaced by hard links to their keepers",
    "reflink": "made to share their keepers' blocks",
    "delete": "deleted",
}
KINDS = ("exact", "same-pixels", "near", "altered")
report_option = click.option(
    "--format",
    "form",
    type=click.Choice(OUTPUT_FORMATS),
    help="Also print a report on stdout. Default: only a summary, on stderr.",
)


@click.command()
@click.argument("plan", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Move files to this folder. Default: the hidden folder .retrieval-held in the archive folder.",
)
@click.option("--trash", is_flag=True, help="Move files to the system's trash.")
@click.option("--hardlink", is_flag=True, help="Replace files by hard links to their keeper: same bytes, same disk.")
@click.option("--reflink", is_flag=True, help="Let files share their keeper's disk blocks: same bytes, same disk.")
@click.option("--delete", is_flag=True, help="Delete files for good; needs --yes-delete-permanently.")
@click.option("--yes-delete-permanently", is_flag=True, help="Confirm --delete.")
@click.option(
    "--kinds",
    default="exact",
    show_default=True,
    metavar="KIND,...",
    help=f"Kinds of duplicates to remove: {', '.join(KINDS)}.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Check every file and say what would be done; change nothing.")
@click.option("--strict", is_flag=True, help="Exit with 3 if something was skipped.")
@report_option
@index_option
@progress_option
@verbose_option
def command(
    plan: Path, index_folder: str | None, strict: bool, form: str | None, progress: bool | None, **options: Any
) -> None:
    """Apply a plan: move duplicates to a holding folder, or remove them in another way.

    Each file and its keeper are read again just before; a file that has changed since is skipped. RAW, JPEG and
    sidecars of a shot move together. Files in reference folders are never touched, and `retrieval dedupe undo` puts
    everything back.

    \b
    Examples:
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
    """Say on stderr what was done; print it on stdout too if a format was asked for."""
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
        raise click.UsageError("Choose only one of --to, --trash, --hardlink, --reflink and --delete.")
    if delete and not (yes_delete_permanently or dry_run):
        raise click.UsageError("--delete cannot be undone: add --yes-delete-permanently if you mean it.")
    names = [name.strip() for name in kinds.split(",") if name.strip()]
    unknown = [name for name in names if name not in KINDS]
    if unknown or not names:
        raise click.UsageError(f"--kinds takes {', '.join(KINDS)}, not {', '.join(unknown) or 'nothing'}.")
    mode = chosen[0] if chosen else Mode.MOVE
    return ApplyOptions(mode, to, frozenset(Kind(name) for name in names), dry_run)


def summary(report: "RunReport", index_folder: str | None) -> str:
    """Describe in words what was done, what was left, and how to undo it."""
    lines = [f"skipped (group {one.group}): {printable(in_words(one.error))}" for one in report.skipped]
    if report.resumed:
        lines.append(f"Resumed the unfinished run {report.run}.")
    lines += _done(report)
    if report.skipped:
        lines.append(f"{len(report.skipped):,} skipped for the reasons above, and left unchanged.")
    lines += [
        f"{format_count(count, 'file')} in {kind} groups left alone: add --kinds {kind} to remove them."
        for kind, count in report.other_kinds.items()
    ]
    if report.interrupted:
        lines.append("Interrupted; no file is half moved. Run the same command again to resume.")
    if report.stopped:
        lines.append(
            f"Stopped: {printable(report.stopped)}. No file is half moved; run the same command again to resume."
        )
    done = report.sidecars_held if report.mode == "delete" else report.photos or report.resumed
    if report.run and not report.dry_run and done:
        what = "put the sidecars back" if report.mode == "delete" else "undo"
        lines.append(f"To {what}: {undo_command(report.run, index_folder)}")
    return "\n".join(lines)


def undo_command(run: str | None, index_folder: str | None) -> str:
    """Return what to type to undo a run of this index."""
    words = ["retrieval", "dedupe", "undo", *([run] if run else [])]
    return shlex.join(words + (["--index", index_folder] if index_folder else []))


def _done(report: "RunReport") -> list[str]:
    from retrieval.present.runs import run_amount

    would = "would be " if report.dry_run else ""
    where = f" to {', '.join(printable(str(folder)) for folder in sorted(report.folders))}" if report.folders else ""
    lines = [f"{run_amount(report)} {would}{DONE[report.mode]}{where if report.mode == 'move' else ''}."]
    if report.sidecars_held:
        moved = f"{would}moved{where}, because no keeper has the same"
        lines.append(f"{format_count(report.sidecars_held, 'sidecar')} {moved}.")
    return lines
