"""`retrieval query`: the photos nearest to an image, and its species."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrieval.cli import EXIT_FAILED, EXIT_SOME_FAILED
from retrieval.cli.filters import filter_options, tell_of_labels
from retrieval.cli.options import (
    OUTPUT_FORMATS,
    choose_format,
    find_index,
    given,
    index_option,
    network_options,
    say,
    screen_width,
    verbose_option,
    write,
)
from retrieval.filters import Filter

if TYPE_CHECKING:
    from retrieval.records import Answer


@click.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=str, allow_dash=True), metavar="IMAGE...")
@click.option("-k", "--top", "k", type=click.IntRange(min=1), default=20, show_default=True, help="How many photos.")
@click.option("--min-score", type=click.FloatRange(-1, 1), help="Leave out photos below this cosine similarity.")
@click.option(
    "--predictions",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    help="How many species to name for the query.",
)
@click.option("--format", "form", type=click.Choice(OUTPUT_FORMATS), help="Default: table on a terminal, else tsv.")
@click.option("-f", "--filepath-only", is_flag=True, help="Print the paths alone, one a line.")
@click.option("-0", "--print0", is_flag=True, help="Print the paths alone, each ended by NUL: for xargs -0.")
@click.option("--relative", is_flag=True, help="Print paths as seen from the current folder.")
@filter_options
@click.option(
    "--other-species", is_flag=True, help="Only photos of another species than the query's own: what it looks like."
)
@index_option
@click.option("--model", metavar="FILE", help="Where the index's own weights are now, if they were moved.")
@network_options
@click.option("--strict", is_flag=True, help="Exit with 3 if some images could not be read.")
@verbose_option
def command(
    images: tuple[str, ...],
    form: str | None,
    filepath_only: bool,
    print0: bool,
    relative: bool,
    strict: bool,
    **options: Any,
) -> None:
    """Find the photos nearest to each IMAGE ("-" reads one from stdin), and name its species.

    An image that is in the index already costs no network pass. Options such as --species, --since or --under say
    among which photos to look: the nearest of those are found, however few they are.
    """
    from retrieval import present

    folder = find_index(options.pop("index_folder"))
    tell_of_labels(folder, options["filter"], other_species=options["other_species"])
    outcome = Outcome(run(folder, images, **options))
    if filepath_only or print0:
        write(present.paths(outcome, relative=relative, end="\0" if print0 else "\n"))
    else:
        write(present.answers(outcome, choose_format(form), relative=relative, width=screen_width()))
    outcome.exit(strict)


def run(
    folder: Path,
    images: Iterable[str],
    *,
    k: int,
    min_score: float | None,
    predictions: int,
    filter: Filter,
    other_species: bool,
    model: str | None,
    **embedder: Any,
) -> "Iterator[Answer]":
    """Ask the index about each image."""
    from retrieval.index import Index

    with Index.open(folder, model=model, notify=say, **given(**embedder)) as index:
        yield from index.query_many(
            read_stdin(images), k, min_score=min_score, top=predictions, filter=filter, other_species=other_species
        )


def read_stdin(images: Iterable[str]) -> Iterator[str | bytes]:
    """Put the bytes of stdin in the place of "-"."""
    for image in images:
        yield sys.stdin.buffer.read() if image == "-" else image


class Outcome:
    """Passes answers through, says on stderr which images failed, and settles the exit code."""

    def __init__(self, answers: "Iterable[Answer]") -> None:
        self._answers = answers
        self._asked = self._failed = 0

    def __iter__(self) -> "Iterator[Answer]":
        for answer in self._answers:
            self._asked += 1
            if answer.failure:
                self._failed += 1
                say(f"{answer.query}: {answer.failure.reason}")
            yield answer

    def exit(self, strict: bool) -> None:
        """End with 1 if no image could be read, with 3 if some could not and the user is strict."""
        if self._failed and self._failed == self._asked:
            raise SystemExit(EXIT_FAILED)
        if self._failed and strict:
            raise SystemExit(EXIT_SOME_FAILED)
