"""`retrieval dedupe`: find duplicates, and remove them in a way that can be undone."""

import click

from retrieval.cli import LazyGroup

COMMANDS = {
    "find": "Find duplicates and write a plan; changes no photo.",
    "apply": "Apply a plan: move duplicates to a holding folder, or remove them in another way.",
    "undo": "Put the files of a run back.",
    "runs": "List the runs that changed files.",
    "ignore": "Remember that photos are not duplicates.",
}


@click.group(cls=LazyGroup, package="retrieval.cli.dedupe", summaries=COMMANDS, no_args_is_help=True)
def command() -> None:
    """Find duplicates, and remove them in a way that can be undone.

    \b
    Examples:
      retrieval dedupe find -o plan.csv --html plan.html
      retrieval dedupe apply plan.csv --dry-run
      retrieval dedupe apply plan.csv
      retrieval dedupe undo
    """
