"""`retrieval optimise`: rebuild the search index for another recall or another amount of memory."""

import click

from retrieval.cli import EXIT_INTERRUPTED
from retrieval.cli.options import (
    choose_layout,
    find_index,
    index_option,
    memory_option,
    progress_option,
    say,
    show_view,
    summary_format_option,
    verbose_option,
)
from retrieval.cli.progress import shown
from retrieval.errors import Interrupted


@click.command()
@index_option
@click.option(
    "--recall",
    type=click.FloatRange(0, 1, min_open=True),
    help="Share of the 20 nearest photos that a query must find, measured against exact search. Initially 0.99.",
)
@memory_option
@summary_format_option
@progress_option
@verbose_option
def command(
    index_folder: str | None, recall: float | None, memory_bytes: int | None, form: str, progress: bool | None
) -> None:
    """Rebuild the search index for another recall or memory limit.

    Prints what the index is now, and what more or less recall would cost. Both targets are kept for later runs of
    `retrieval index`; a target that you leave out stays as it was. Photos are not read, and queries work meanwhile.

    \b
    Examples:
      retrieval optimise --recall 0.999
      retrieval optimise --memory 2GB
    """
    try:
        with shown(progress) as show:
            from retrieval.index import Index
            from retrieval.records import Progress

            with Index.open(find_index(index_folder)) as index:
                show(Progress("building", 0, None))
                status = index.optimise(recall=recall, memory_bytes=memory_bytes)
    except Interrupted:
        say("Stopped. The search index is unchanged.")
        raise SystemExit(EXIT_INTERRUPTED) from None
    from retrieval.present.indexes import search

    show_view(search(status), choose_layout(form))
