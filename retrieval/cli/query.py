"""`retrieval query`: the photos nearest to images, and their species."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrieval.cli import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_SOME_FAILED
from retrieval.cli.filters import filter_options, tell_of_labels
from retrieval.cli.listing import STDIN, Listing
from retrieval.cli.options import (
    find_index,
    index_option,
    layout_options,
    network_options,
    progress_option,
    say,
    show_view,
    take_runtime,
    verbose_option,
)
from retrieval.cli.progress import shown
from retrieval.errors import Interrupted
from retrieval.records import Progress

if TYPE_CHECKING:
    from retrieval.index import Question, Runtime
    from retrieval.present.view import Layout
    from retrieval.records import Answer


@click.command()
@click.argument("images", nargs=-1, type=click.Path(path_type=str, allow_dash=True), metavar="[IMAGE]...")
@click.option("--from-file", metavar="LIST", help="Query the images that a file names, one per line; - is stdin.")
@click.option("--from-file0", metavar="LIST", help="The same, each name ended by NUL, as by find -print0.")
@click.option(
    "-k", "--top", "k", type=click.IntRange(min=1), default=20, show_default=True, help="How many photos to find."
)
@click.option(
    "--min-score", type=click.FloatRange(-1, 1), help="Leave out photos with a lower cosine similarity, -1 to 1."
)
@click.option(
    "--predictions",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    help="How many species to name for each image.",
)
@layout_options
@click.option(
    "--hide-duplicates",
    is_flag=True,
    help="Show only the nearest of near-identical photos, and how many it stands for: copies, edits that `retrieval "
    "dedupe find` has found, pictures that look the same, frames of one burst (one camera, within 10 seconds). There "
    "are still -k photos. `retrieval dedupe ignore` keeps photos separate.",
)
@filter_options
@click.option(
    "--other-species",
    is_flag=True,
    help="Only photos of other species than the query's own: what it may be confused with.",
)
@index_option
@click.option("--model", metavar="FILE", help="The checkpoint of the index's network, if it has moved.")
@network_options
@click.option("--strict", is_flag=True, help="Exit with 3 if some images could not be read.")
@progress_option
@verbose_option
def command(
    images: tuple[str, ...],
    from_file: str | None,
    from_file0: str | None,
    layout: "Layout",
    strict: bool,
    progress: bool | None,
    **options: Any,
) -> None:
    """Find the photos nearest to an image, and name its species.

    IMAGE is a file, or - for stdin. An image that is in the index needs no network pass. One call can query any number
    of images: answers are printed in order, as soon as they are ready, and Ctrl-C keeps what was printed. Options such
    as --species, --since or --under choose the photos to search: you get the nearest of those, however few they are.

    \b
    Examples:
      retrieval query bird.jpg -k 20
      retrieval query bird.jpg --since 2021-03 --other-species
      retrieval query --from-file list.txt --hide-duplicates --format jsonl
    """
    from retrieval.index import Question
    from retrieval.present import answers as rendered

    listings = _listings(images, from_file, from_file0)
    many = bool(listings) or len(images) > 1
    folder = find_index(options.pop("index_folder"))
    tell_of_labels(folder, options["filter"], other_species=options["other_species"])
    question = Question(
        options.pop("k"),
        options.pop("min_score"),
        options.pop("predictions"),
        options.pop("hide_duplicates"),
        options.pop("filter"),
        options.pop("other_species"),
    )
    answers = run(folder, images, listings, question=question, runtime=take_runtime(options), **options)
    with shown(_draws(progress)) if many else nullcontext(None) as show:
        outcome = Outcome(answers, show, _total(images, listings) if many else None)
        show_view(rendered.answers(outcome, layout, array=bool(listings)), layout)
    outcome.exit(strict)


def run(
    folder: Path,
    images: Iterable[str],
    listings: Iterable[Listing] = (),
    *,
    question: "Question",
    runtime: "Runtime",
    model: str | None,
) -> "Iterator[Answer]":
    """Query the index with each image, and each that a list names."""
    from retrieval.index import Index

    asked = chain(read_stdin(images), *listings)
    with Index.open(folder, model=model, runtime=runtime) as index:
        yield from index.ask(asked, question)


def _listings(images: Sequence[str], lines: str | None, nul_ended: str | None) -> list[Listing]:
    """Return the lists that were named; refuse one that cannot be read, and stdin twice."""
    found = [Listing(place, nul) for place, nul in ((lines, False), (nul_ended, True)) if place is not None]
    if not images and not found:
        raise click.UsageError("Name an IMAGE, or a list of images with --from-file.")
    if [*images, *(listing.place for listing in found)].count(STDIN) > 1:
        raise click.UsageError("Only one of IMAGE, --from-file and --from-file0 can be stdin.")
    for listing in found:
        listing.check()
    return found


def _total(images: Sequence[str], listings: Sequence[Listing]) -> int | None:
    counts = [listing.count() for listing in listings]
    return None if None in counts else len(images) + sum(count or 0 for count in counts)


def _draws(progress: bool | None) -> bool:
    """Tell whether to draw progress; answers that appear on the screen are progress enough."""
    return sys.stderr.isatty() and not sys.stdout.isatty() if progress is None else progress


def read_stdin(images: Iterable[str]) -> Iterator[str | bytes]:
    """Replace "-" by the bytes of stdin."""
    for image in images:
        yield sys.stdin.buffer.read() if image == "-" else image


class Outcome:
    """Passes answers on, reports failed images on stderr, and decides the exit code."""

    def __init__(
        self,
        answers: "Iterable[Answer]",
        progress: Callable[[Progress], None] | None = None,
        total: int | None = None,
    ) -> None:
        self._answers = answers
        self._progress = progress or (lambda _progress: None)
        self._total = total
        self._asked = self._failed = 0
        self._interrupted = False

    def __iter__(self) -> "Iterator[Answer]":
        """Yield the answers; end early, with whole output, if `progress` raises Interrupted."""
        for answer in self._answers:
            self._asked += 1
            if answer.failure:
                self._failed += 1
                say(f"{answer.query}: {answer.failure.reason}")
            yield answer
            try:
                self._progress(Progress("asking", self._asked, self._total, self._failed))
            except Interrupted:
                self._interrupted = True
                return

    def exit(self, strict: bool) -> None:
        """End with 1 if no image could be read, with 3 if some could not and the user is strict."""
        if self._interrupted:
            say(f"Stopped after {self._asked:,} images.")
            raise SystemExit(EXIT_INTERRUPTED)
        if self._failed and self._failed == self._asked:
            raise SystemExit(EXIT_FAILED)
        if self._failed and strict:
            raise SystemExit(EXIT_SOME_FAILED)
