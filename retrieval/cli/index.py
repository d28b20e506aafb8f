"""`retrieval index`: index folders of photos, or bring an index up to date."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import click

from retrieval.cli import EXIT_INTERRUPTED, EXIT_SOME_FAILED
from retrieval.cli.options import (
    INDEXES,
    MODEL_HELP,
    choose_layout,
    find_index,
    index_option,
    indexes,
    memory_option,
    network_options,
    progress_option,
    say,
    show_view,
    summary_format_option,
    take_runtime,
    verbose_option,
)
from retrieval.cli.progress import shown
from retrieval.embed.choices import PRECISIONS
from retrieval.errors import ArchiveError, FailureKind, Interrupted
from retrieval.manifest import has_manifest
from retrieval.records import Progress, Report
from retrieval.text import format_count

FAILURES_SHOWN = 5


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path), metavar="[FOLDER]...")
@index_option
@click.option("--model", default="auto", show_default=True, metavar="NAME|FILE", help=MODEL_HELP)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    help="Arithmetic of the network; an index keeps it. int8 is for CPUs, and is calibrated on the first photos.",
)
@click.option(
    "--input-size",
    type=click.IntRange(min=1),
    metavar="PIXELS",
    help="Side of the network's input, a multiple of its patch (mostly 16). Default: the size it was trained at. An "
    "index keeps it.",
)
@click.option(
    "--exclude", multiple=True, metavar="GLOB", help="Skip matching names; with a slash, matching paths. Repeatable."
)
@click.option("--retry-failed", is_flag=True, help="Try photos that failed before again.")
@click.option(
    "--allow-empty",
    is_flag=True,
    help="Accept that a folder has no photos any more, or that a disk mounted in it is gone: they were removed on "
    "purpose.",
)
@memory_option
@network_options
@click.option("--strict", is_flag=True, help="Exit with 3 if some photos failed.")
@summary_format_option
@progress_option
@verbose_option
def command(folders: tuple[Path, ...], strict: bool, form: str, progress: bool | None, **options: Any) -> None:
    """Index folders of photos, or update an index.

    FOLDERS are searched with all folders below them, and remembered: without any, all remembered folders are brought up
    to date. Only new and changed photos are read. Moved photos are recognised, and vanished ones are remembered. The
    photos themselves are never changed. Stop at any time: the same command resumes.

    Hidden folders, trash and thumbnail folders are skipped, and symbolic links are not followed.

    \b
    Examples:
      retrieval index ./archive
      retrieval index ./archive /mnt/card --exclude 'rejected/*'
      retrieval index
    """
    folder = _choose(options.pop("index_folder"), folders)
    last = Progress("scanning", 0, None)

    try:
        with shown(progress) as show:

            def listen(now: Progress) -> None:
                nonlocal last
                last = now
                show(now)

            report = run(folder, folders, progress=listen, retry=_worth_another_try(options), **options)
    except Interrupted:
        say(f"Stopped after {last.done:,} of {last.total or 0:,} photos. Run the same command again to resume.")
        raise SystemExit(EXIT_INTERRUPTED) from None
    _print(report, folder, form)
    if strict and (report.failed or report.failures):  # folders that could not be listed are failures, too
        raise SystemExit(EXIT_SOME_FAILED)


def run(
    folder: Path,
    archives: Sequence[Path],
    *,
    model: str,
    exclude: Sequence[str],
    retry: Sequence[str],
    allow_empty: bool,
    memory_bytes: int | None,
    progress: Any,
    **runtime: Any,
) -> Report:
    """Create the index if there is none, and bring it up to date."""
    from retrieval.archive.walk import check_root
    from retrieval.index import Index
    from retrieval.models import speeds

    for archive in archives:  # before a model is looked for, which can mean a long download
        check_root(archive)
    made = Index.open if has_manifest(folder) else Index.create
    with made(folder, model=model, runtime=take_runtime(runtime)) as index:
        report = index.add(
            *archives,
            exclude=exclude,
            retry=retry,
            allow_empty=allow_empty,
            memory_bytes=memory_bytes,
            progress=progress,
        )
        used = index.model
        speeds.remember(used.sha256, (used.height, used.width), report.embedded, report.elapsed_s)
        return report


def _worth_another_try(options: dict[str, Any]) -> tuple[str, ...]:
    """Return the failures to try again: an option that lifts a limit is for photos that were beyond it."""
    if options.pop("retry_failed"):
        return get_args(FailureKind)
    truncated = ("truncated",) if options["allow_truncated"] else ()
    return truncated + (("too-large",) if options["max_pixels"] else ())


def _choose(chosen: str | None, folders: Sequence[Path]) -> Path:
    """Return the index to write: the one named, the only one there is, or a new one named after the folder."""
    if chosen is not None and not folders:
        return find_index(chosen)  # nothing to index: there must be an index already
    if chosen is not None:
        named = INDEXES / chosen
        return named if has_manifest(named) and not has_manifest(Path(chosen)) else Path(chosen)
    if indexes():
        return find_index(None)
    if not folders:
        raise ArchiveError("there is no index yet: name a folder of photos, as in `retrieval index FOLDER`")
    return INDEXES / (folders[0].expanduser().resolve().name or "archive")


def _print(report: Report, folder: Path, form: str) -> None:
    from retrieval.present import indexes

    for failure in report.failures[:FAILURES_SHOWN]:
        say(f"  {failure.path}: {failure.reason}")
    if report.failed:
        status = shlex.join(["retrieval", "status", "--failures", "--index", str(folder)])
        say(f"{format_count(report.failed, 'photo')} failed. `{status}` lists them with the reasons.")
    shown_as = str(folder.absolute()) if form in ("json", "jsonl") else str(folder)
    show_view(indexes.report(report, shown_as), choose_layout(form))
