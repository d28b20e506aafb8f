"""`retrieval identify`: the species in images, without an index."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrieval.cli.options import (
    MODEL_HELP,
    choose_layout,
    format_option,
    network_options,
    show_view,
    take_runtime,
    verbose_option,
)
from retrieval.cli.query import Outcome, read_stdin
from retrieval.embed.choices import PRECISIONS

if TYPE_CHECKING:
    from retrieval.embed.runtime import Runtime
    from retrieval.records import Answer


@click.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=str, allow_dash=True), metavar="IMAGE...")
@click.option(
    "-k", "--top", "k", type=click.IntRange(min=1), default=5, show_default=True, help="How many species to name."
)
@format_option
@click.option("--model", default="auto", show_default=True, metavar="NAME|FILE", help=MODEL_HELP)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    metavar="[auto|fp32|bf16|fp16]",  # int8 is accepted, to say why it needs an index
    help="Arithmetic of the network.",
)
@click.option(
    "--input-size",
    type=click.IntRange(min=1),
    metavar="PIXELS",
    help="Side of the network's input, a multiple of its patch (mostly 16). Default: the size it was trained at.",
)
@network_options
@click.option("--strict", is_flag=True, help="Exit with 3 if some images could not be read.")
@verbose_option
def command(images: tuple[str, ...], form: str | None, strict: bool, **options: Any) -> None:
    """Name the species in images, without an index.

    IMAGE is a file, or - for stdin. Each prediction has its probability.

    \b
    Examples:
      retrieval identify bird.jpg
      retrieval identify *.jpg -k 1 --format csv
    """
    from retrieval.present import answers

    outcome = Outcome(run(images, runtime=take_runtime(options), **options))
    layout = choose_layout(form)
    show_view(answers.answers(outcome, layout, hits=False), layout)
    outcome.exit(strict)


def run(images: Iterable[str], *, runtime: "Runtime", k: int, model: str) -> "Iterator[Answer]":
    """Put each image through the network."""
    from retrieval.embed.embedder import Embedder
    from retrieval.errors import PhotoError
    from retrieval.records import Answer, Failure

    network = Embedder(model, runtime)
    for name, result in zip(images, network.attempt(read_stdin(images), top=k), strict=True):
        if isinstance(result, PhotoError):
            failure = Failure(Path(name), result.kind, result.reason)
            yield Answer(name, network.model.name, failure=failure, label_kind=network.model.label_kind)
        else:
            yield Answer(name, network.model.name, result.predictions, label_kind=network.model.label_kind)
