"""`retrieval dedupe runs`: list the runs that changed files."""

import click

from retrieval.cli.options import choose_layout, find_index, format_option, index_option, show_view, verbose_option


@click.command()
@format_option
@index_option
@verbose_option
def command(form: str | None, index_folder: str | None) -> None:
    r"""List the runs that changed files.

    Each can be undone by its name: `retrieval dedupe undo RUN`.

    \b
      retrieval dedupe runs --format json
    """
    from retrieval.index import Index
    from retrieval.present.runs import runs

    with Index.open(find_index(index_folder)) as index:
        show_view(runs(index.runs()), choose_layout(form))
