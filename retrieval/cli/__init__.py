"""The command line: one file a command, loaded when it is called; this file is the group and the one error border."""

import errno
import importlib
import sys
import traceback
from typing import Any

import click

from retrieval.errors import RetrievalError
from retrieval.text import printable

# The first sentence of each command's help, so that `retrieval --help` imports none of them; a test compares.
COMMANDS = {
    "index": "Index folders of photos, or update an index.",
    "query": "Find the photos nearest to an image, and name its species.",
    "list": "List photos by species, date, place, folder or camera, or the species among them.",
    "identify": "Name the species in images, without an index.",
    "dedupe": "Find duplicates, and remove them in a way that can be undone.",
    "models": "List the available networks, or download one.",
    "status": "Show what an index holds.",
    "optimise": "Rebuild the search index for another recall or memory limit.",
    "verify": "Check an index for damage, and repair it.",
    "relocate": "Tell an index where a root folder is mounted now.",
}
EXIT_FAILED, EXIT_SOME_FAILED, EXIT_INTERRUPTED = 1, 3, 130


class LazyGroup(click.Group):
    """A group that imports a command, a module of `package`, when it runs."""

    def __init__(self, *arguments: Any, package: str, summaries: dict[str, str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._package = package
        self.summaries = summaries

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands, in the order a user meets them."""
        return [*self.summaries]  # `list` is the command's module here, once that is imported

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in self.summaries:
            return None
        command = importlib.import_module(f"{self._package}.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([*self.summaries.items()])


class Main(LazyGroup):
    """The outermost group: turns this library's errors into one line."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command: every error becomes one line on stderr and an exit code."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            ctx.exit(EXIT_INTERRUPTED)
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # the reader of our output has closed it; click ends quietly
            if wants_traceback():
                traceback.print_exc()
            click.echo(f"Error: {printable(one_line(error))}", err=True)
            ctx.exit(EXIT_FAILED)


def one_line(error: Exception) -> str:
    """Say what happened, to which file, and what to do."""
    if isinstance(error, RetrievalError):
        from retrieval.cli.remedies import in_words  # of errors alone: `--help` starts without

        return " ".join(in_words(error).split("\n"))
    if isinstance(error, OSError) and error.strerror:
        file = f"{error.filename}: " if error.filename else ""
        hint = (
            "; free some space and run the same command again: what is done is kept"
            if error.errno == errno.ENOSPC
            else ""
        )
        return f"{file}{error.strerror}{hint}"
    if isinstance(error, MemoryError):
        return "not enough memory: use a smaller --batch-size or fewer --workers"
    return f"unexpected {type(error).__name__}: {error}. Run again with -v for the traceback, and please report it"


def wants_traceback() -> bool:
    """Tell whether -v was given to any command of this call."""
    return bool(click.get_current_context().meta.get("retrieval.verbose"))


@click.group(
    cls=Main,
    package="retrieval.cli",
    summaries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "RETRIEVAL"},
    no_args_is_help=True,
)
@click.version_option(package_name="retrieval", message="%(prog)s %(version)s")
def main() -> None:
    """Find photos like this one, name the species, and remove duplicates from large archives of wildlife photos.

    `retrieval COMMAND --help` explains a command. Every option can be set as an environment variable,
    RETRIEVAL_<COMMAND>_<OPTION>.

    \b
    Examples:
      retrieval index ./archive
      retrieval query bird.jpg -k 20
      retrieval dedupe find -o plan.csv
    """


if __name__ == "__main__":
    sys.exit(main())
