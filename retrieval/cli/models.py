"""`retrieval models`: list the available networks, or download one."""

import click

from retrieval.cli.options import choose_layout, say, show_view, summary_format_option, verbose_option, write


@click.group(invoke_without_command=True)
@summary_format_option
@verbose_option
@click.pass_context
def command(ctx: click.Context, form: str) -> None:
    """List the available networks, or download one.

    The list has input sizes, where the weights are, and the speed on this machine if it is known. Any checkpoint file
    or hf://owner/repository can be used as well.

    \b
    Examples:
      retrieval models
      retrieval models fetch flagship
    """
    if ctx.invoked_subcommand is None:
        from retrieval.models.available import available_models
        from retrieval.present.networks import networks

        show_view(networks(available_models()), choose_layout(form))


@command.command()
@click.argument("name")
@verbose_option
def fetch(name: str) -> None:
    """Download a network, and print where it is.

    NAME is flagship, another name from `retrieval models`, or hf://owner/repository.

    \b
    Examples:
      retrieval models fetch flagship
    """
    from retrieval.models import zoo

    weights = zoo.resolve(name)
    if weights.note:
        say(weights.note)
    write([f"{weights.path}\n"])
