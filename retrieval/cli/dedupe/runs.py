"""`retrieval dedupe runs`: list the runs that changed files."""

import click

from retrieval.cli.options import choose_layout, find_index, format_option, index_option, show_view, verbose_option


@click.command()
@format_option
@index_option
@verbose_option
def command(form: str | None, index_folder: str | None) -> None:
    """List the runs that changed files.

    `retrieval dedupe undo RUN` undoes one by its name.

    \b
    Examples:
      retrieval dedupe runs
      retrieval dedupe runs --format json
    """
    from retrieval.index import Index
    from retrieval.present.runs import runs

    with Index.open(find_index(index_folder)) as index:
        show_view(runs(index.runs()), choose_layout(form))
