"""`retrieval models`: list the networks there are, or fetch one."""

import click

from retrieval.cli.options import choose_layout, say, show_view, summary_format_option, verbose_option, write


@click.group(invoke_without_command=True)
@summary_format_option
@verbose_option
@click.pass_context
def command(ctx: click.Context, form: str) -> None:
    """List the networks that have a name here: sizes, where they are, and their speed on this machine if known.

    `retrieval models fetch NAME` downloads one. Any checkpoint file or hf://owner/repository serves as well.
    """
    if ctx.invoked_subcommand is None:
        from retrieval.models.available import available_models
        from retrieval.present.networks import networks

        show_view(networks(available_models()), choose_layout(form))


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
