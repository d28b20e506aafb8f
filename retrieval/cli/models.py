"""`retrieval models`: list the networks there are, or fetch one."""

from collections.abc import Iterator
from dataclasses import dataclass

import click

from retrieval.cli.options import say, screen_width, verbose_option, write


@dataclass(frozen=True, slots=True)
class Row:
    """What is said of one network."""

    name: str
    about: str
    input_size: str
    parameters: str
    classes: str
    where: str
    speed: str


@click.group(invoke_without_command=True)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print the list.")
@verbose_option
@click.pass_context
def command(ctx: click.Context, form: str) -> None:
    """List the networks that have a name here: sizes, where they are, and their speed on this machine if known.

    `retrieval models fetch NAME` downloads one. Any checkpoint file or hf://owner/repository serves as well.
    """
    if ctx.invoked_subcommand is None:
        write([table() if form == "text" else document()])


@command.command()
@click.argument("name")
@verbose_option
def fetch(name: str) -> None:
    """Download a network: flagship, another name of the list, or hf://owner/repository."""
    from retrieval.models import zoo

    weights = zoo.resolve(name)
    if weights.note:
        say(weights.note)
    write([f"{weights.path}\n"])


def rows() -> Iterator[Row]:
    """Describe each network, without loading any."""
    from retrieval.models import speeds, zoo
    from retrieval.models.known import ALIASES, COMPACT, HUB_MODELS

    rates = speeds.recall()
    names = {name: alias for alias, name in ALIASES.items()}
    for name, model in HUB_MODELS.items():
        yield Row(
            names.get(name, name),
            model.about,
            f"{model.input_size} px",
            f"{model.parameters / 1e6:.1f} M",
            f"{model.classes} species",
            zoo.located(name),
            _speed(rates.get(model.sha256)),
        )
    compact = zoo.packaged_facts()
    if compact:
        labels = f"{compact.classes} general labels"
        size, parameters = f"{compact.input_size} px", f"{compact.parameters / 1e6:.1f} M"
        where, speed = "in this package", _speed(rates.get(compact.sha256))
        yield Row(COMPACT, compact.about, size, parameters, labels, where, speed)


def _speed(rate: float | None) -> str:
    return f"{rate:.1f} photos/s" if rate else "not known yet"


def table() -> str:
    """Lay the list out."""
    from rich.table import Table

    from retrieval.present.answers import render

    laid_out = Table(box=None, pad_edge=False)
    for column in ("name", "input", "parameters", "labels", "where", "speed here", ""):
        laid_out.add_column(column, overflow="fold")
    for row in rows():
        laid_out.add_row(row.name, row.input_size, row.parameters, row.classes, row.where, row.speed, row.about)
    return render(laid_out, screen_width())


def document() -> str:
    """Write the list as JSON."""
    from dataclasses import asdict

    from retrieval.text import dump_json

    return dump_json([asdict(row) for row in rows()], indent=2) + "\n"
