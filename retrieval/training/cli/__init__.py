"""The command line of the training: one subcommand for each step of the way."""

from typing import Any

import click

from retrieval.errors import RetrievalError
from retrieval.training.cli.species import distil, export_distilled, fill
from retrieval.training.cli.student import export, pack, train


class _Group(click.Group):
    """Turns this library's errors into one line on stderr."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RetrievalError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
def main() -> None:
    """Train a compact model from random weights, with pictures and a teacher.

    \b
    Examples:
      python -m retrieval.training pack photos/ -o pictures.bundle
      python -m retrieval.training train pictures.bundle --teacher deit.pt --work work --minutes 600
      python -m retrieval.training export work -o compact.safetensors
    """


for command in (fill, distil, export_distilled, pack, train, export):
    main.add_command(command)
