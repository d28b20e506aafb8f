"""`retrieval dedupe`: find duplicates, and clear them out so that it can be undone."""

import click

from retrieval.cli import LazyGroup

COMMANDS = {
    "find": "Find duplicates and write a plan; changes no photo.",
    "apply": "Carry out a plan: move duplicates to a holding folder, or what else you say.",
    "undo": "Put back what a run has moved.",
    "runs": "List the runs that changed files.",
    "ignore": "Say that photos are not duplicates; remembered from then on.",
}


@click.group(cls=LazyGroup, package="retrieval.cli.dedupe", summaries=COMMANDS, no_args_is_help=True)
def command() -> None:
    r"""Find duplicates, and clear them out so that it can be undone.

    \b
      retrieval dedupe find -o plan.csv --html plan.html
      retrieval dedupe apply plan.csv --dry-run
      retrieval dedupe apply plan.csv
      retrieval dedupe undo
    """
