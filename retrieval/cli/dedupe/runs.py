"""`retrieval dedupe runs`: list the runs that changed files."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from retrieval.cli.dedupe.apply import size
from retrieval.cli.options import choose_format, find_index, index_option, screen_width, verbose_option, write
from retrieval.text import dump_json, tsv_line

if TYPE_CHECKING:
    from retrieval.dedupe.run.report import RunSummary

COLUMNS = ("run", "started_at", "mode", "files", "bytes", "state")


@click.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "tsv", "json"]),
    help="Default: table on a terminal, else tsv.",
)
@index_option
@verbose_option
def command(form: str | None, index_folder: str | None) -> None:
    """List the runs that changed files.

    Each can be undone by its name: `retrieval dedupe undo RUN`.
    """
    write(text(run(find_index(index_folder)), choose_format(form)))


def run(folder: Path) -> "list[RunSummary]":
    """Read the journals."""
    from retrieval.dedupe.run.undo import runs
    from retrieval.store import Store

    store = Store.open(folder)
    try:
        return list(runs(store))
    finally:
        store.close()


def text(found: "Iterable[RunSummary]", form: str) -> Iterator[str]:
    """Write the runs as a table, TSV or JSON."""
    if form == "json":
        yield dump_json([_document(one) for one in found], indent=2) + "\n"
    elif form == "tsv":
        yield tsv_line(COLUMNS)
        yield from (tsv_line(_document(one).values()) for one in found)
    else:
        yield _table(found)


def _document(found: "RunSummary") -> dict[str, object]:
    fields = asdict(found)
    return {name: fields["size" if name == "bytes" else name] for name in COLUMNS}


def _table(found: "Iterable[RunSummary]") -> str:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from retrieval.present.answers import render

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("run", "mode", "state"):
        table.add_column(name)
    for name in ("files", "size"):
        table.add_column(name, justify="right")
    for one in found:
        table.add_row(one.run, one.mode, one.state, f"{one.files:,}", size(one.size))
    return render(table, screen_width())
