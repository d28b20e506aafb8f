"""`retrieval status`: what an index holds."""

import click

from retrieval.cli.options import (
    choose_layout,
    find_index,
    format_option,
    index_option,
    show_view,
    verbose_option,
)


@click.command()
@index_option
@click.option("--failures", is_flag=True, help="List each photo that could not be read: path, kind and reason.")
@format_option
@verbose_option
def command(index_folder: str | None, failures: bool, form: str | None) -> None:
    """Show what an index holds.

    The model, photos by state, size on disk, search quality, and failures by kind.

    \b
    Examples:
      retrieval status
      retrieval status --failures --format csv > failures.csv
    """
    from retrieval.index import Index
    from retrieval.present import indexes, photos

    layout = choose_layout(form if failures else form or "table")
    with Index.open(find_index(index_folder)) as index:
        show_view(photos.failures(index.failures(), layout) if failures else indexes.status(index.status()), layout)
