"""`retrieval verify`: check an index against itself, and repair it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from retrieval.cli import EXIT_FAILED, EXIT_INTERRUPTED
from retrieval.cli.options import (
    choose_layout,
    find_index,
    index_option,
    progress_option,
    say,
    show_view,
    summary_format_option,
    verbose_option,
)
from retrieval.cli.progress import shown
from retrieval.cli.remedies import advice
from retrieval.errors import Interrupted

if TYPE_CHECKING:
    from retrieval.index import Verification


@click.command()
@index_option
@click.option(
    "--hashes", is_flag=True, help="Read every indexed photo too, and compare it with its hash: finds failing disks."
)
@click.option("--repair", is_flag=True, help="Repair what can be rebuilt. Photos are never changed.")
@summary_format_option
@progress_option
@verbose_option
def command(index_folder: str | None, hashes: bool, repair: bool, form: str, progress: bool | None) -> None:
    """Check an index for damage, and repair it.

    Checks that catalogue, vectors and search index agree. Exits with 1 if there is a problem.

    \b
    Examples:
      retrieval verify
      retrieval verify --hashes --repair
    """
    from retrieval.present.indexes import verification

    try:
        found = run(find_index(index_folder), hashes=hashes, repair=repair, progress=progress)
    except Interrupted:
        say("Stopped: not everything was checked.")
        raise SystemExit(EXIT_INTERRUPTED) from None
    show_view(verification(found, lambda problem: advice(problem.remedy)), choose_layout(form))
    if not found.sound:
        raise SystemExit(EXIT_FAILED)


def run(folder: Path, *, hashes: bool, repair: bool, progress: bool | None) -> "Verification":
    """Check the index."""
    from retrieval.index import Index

    with Index.open(folder) as index, shown(progress) as show:
        return index.verify(hashes=hashes, repair=repair, progress=show)
