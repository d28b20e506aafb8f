"""`retrieval optimise`: make the search index anew, for another recall or another amount of memory."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from retrieval.cli import EXIT_INTERRUPTED
from retrieval.cli.options import (
    find_index,
    index_option,
    memory_option,
    progress_option,
    say,
    verbose_option,
    write,
)
from retrieval.cli.progress import shown
from retrieval.cli.status import gigabytes, searched
from retrieval.errors import Interrupted
from retrieval.text import dump_json

if TYPE_CHECKING:
    from retrieval.search.measurement import Measurement, Point


@click.command()
@index_option
@click.option(
    "--recall",
    type=click.FloatRange(0, 1, min_open=True),
    help="Share of the 20 nearest photos that a query has to find, measured against exact search. At first 0.99.",
)
@memory_option
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print it.")
@progress_option
@verbose_option
def command(
    index_folder: str | None, recall: float | None, memory_bytes: int | None, form: str, progress: bool | None
) -> None:
    """Make the search index anew, and show what it is now and what more or less recall would cost.

    What is asked for is kept: later runs of `retrieval index` abide by it. What is left out stays as it was. Photos are
    not read, and queries go on meanwhile.
    """
    try:
        with shown(progress) as show:
            from retrieval.index import Index
            from retrieval.records import Progress

            with Index.open(find_index(index_folder)) as index:
                show(Progress("building", 0, None))
                measured = index.optimise(recall=recall, memory_bytes=memory_bytes)
    except Interrupted:
        say("Stopped. The search index is as it was.")
        raise SystemExit(EXIT_INTERRUPTED) from None
    write(described(measured, json=form == "json"))


def described(measured: "Measurement | None", *, json: bool) -> Iterator[str]:
    """Describe a search index to a person, or to a program."""
    if json:
        yield dump_json({"search": asdict(measured) if measured else None}, indent=2) + "\n"
    elif measured is None:
        yield "There are no photos to search yet.\n"
    else:
        yield from (f"{name:<8}{value}\n" for name, value in _lines(measured))
        yield from _curve(measured.curve)


def _lines(measured: "Measurement") -> Iterator[tuple[str, str]]:
    yield "photos", f"{measured.size:,}"
    yield "lists", f"{searched(measured.lists, measured.nprobe, measured.shortlist)}"
    yield "code", measured.code
    wished = f", {gigabytes(measured.wished_memory)} asked for" if measured.wished_memory is not None else ""
    yield "memory", f"{gigabytes(measured.memory_bytes)}{wished}; mapped files do not count"
    sample = f"the {measured.k} nearest of {measured.sample:,} photos"
    yield "recall", f"{measured.recall:.4f}, measured on {sample}; target {measured.target_recall}"


def _curve(points: "tuple[Point, ...]") -> Iterator[str]:
    """Show what recall costs; times hold for the machine and the moment."""
    if points:
        yield f"\n{'recall':>8}{'lists':>8}{'shortlist':>11}{'ms a query':>12}\n"
    for point in points:
        yield f"{point.recall:>8.4f}{point.nprobe:>8,}{point.shortlist:>11,}{point.ms:>12.2f}\n"
