"""Options that several commands share, and how an index is chosen."""

import functools
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from retrieval.embed.choices import ENGINES
from retrieval.errors import IndexNotFoundError
from retrieval.manifest import has_manifest
from retrieval.text import printable

if TYPE_CHECKING:
    from retrieval.embed.runtime import Runtime
    from retrieval.present.view import Format, Layout, View

Function = TypeVar("Function", bound=Callable[..., Any])

INDEXES = Path("indexes")
OUTPUT_FORMATS = ("table", "tsv", "csv", "json", "jsonl")


def _remember_verbose(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta["retrieval.verbose"] = True


UNITS = {"": 1, "b": 1} | {
    prefix + ending: base ** (power + 1)
    for ending, base in (("", 1000), ("b", 1000), ("ib", 1024))
    for power, prefix in enumerate("kmgt")
}


class Size(click.ParamType[int]):
    """A size in bytes, as people write it."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read 512MB, 2G or 1.5GiB."""
        found = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*([a-z]*)", str(value).strip().lower())
        size = round(float(found[1]) * UNITS.get(found[2], 0)) if found else 0
        if size < 1:
            self.fail(f"{value!r} is not a size: write 512MB, 2GB or 1.5GiB", param, ctx)
        return size


MODEL_HELP = (
    "The network: flagship, compact, another name from `retrieval models`, hf://owner/repository, or a checkpoint "
    "file. auto is the flagship, or the compact one if that is not available. An index keeps its network."
)
verbose_option = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    expose_value=False,
    callback=_remember_verbose,
    help="Show the traceback of an error.",
)
index_option = click.option(
    "--index",
    "index_folder",
    envvar="RETRIEVAL_INDEX",
    metavar="FOLDER",
    help="The index, or its name under ./indexes. Default: RETRIEVAL_INDEX, or the only one under ./indexes.",
)
memory_option = click.option(
    "--memory",
    "memory_bytes",
    type=Size(),
    metavar="SIZE",
    help="The memory that search may use, as 512MB or 2GB; mapped files do not count. Kept for later runs; initially a "
    "quarter of the machine's.",
)
progress_option = click.option(
    "--progress/--no-progress", default=None, help="Show progress on stderr. Default: if that is a terminal."
)


def network_options(function: Function) -> Function:
    """Add the options for decoding and for the network."""
    for option in reversed(
        (
            click.option(
                "--device",
                default="auto",
                show_default=True,
                metavar="auto|cpu|cuda|mps",
                help="Where the network runs.",
            ),
            click.option(
                "--engine",
                type=click.Choice(ENGINES),
                envvar="RETRIEVAL_ENGINE",
                help="What runs the network; auto is openvino on CPUs, torch elsewhere.",
            ),
            click.option("-b", "--batch-size", type=click.IntRange(min=1), help="Photos per network pass."),
            click.option(
                "-j", "--workers", type=click.IntRange(min=1), help="Decoding threads. Default: one per core."
            ),
            click.option(
                "--max-pixels",
                type=click.IntRange(min=1),
                help="Refuse pictures with more pixels, as a guard against decompression bombs.",
            ),
            click.option("--allow-truncated", is_flag=True, help="Read what there is of files that end early."),
        )
    ):
        function = option(function)
    return function


def take_runtime(options: dict[str, Any]) -> "Runtime":
    """Take those of `network_options`, and the precision, out of a command's options."""
    from retrieval.embed.runtime import Runtime, RuntimeOptions

    names = options.keys() & RuntimeOptions.__annotations__
    return Runtime(notify=say, **given(**{name: options.pop(name) for name in names}))


def given(**options: Any) -> dict[str, Any]:
    """Keep the options that were given; the library knows its own defaults."""
    return {name: value for name, value in options.items() if value is not None}


def indexes() -> list[Path]:
    """Return the indexes under ./indexes."""
    return sorted(path for path in INDEXES.iterdir() if has_manifest(path)) if INDEXES.is_dir() else []


def find_index(chosen: str | None) -> Path:
    """Return the index to read; raise IndexNotFoundError, listing what there is."""
    if chosen is not None:
        for path in (Path(chosen), INDEXES / chosen):
            if has_manifest(path):
                return path
        raise IndexNotFoundError(f"there is no index in {chosen}: {_choice(indexes())}")
    found = indexes()
    if len(found) != 1:
        raise IndexNotFoundError(f"{'no' if not found else len(found)} indexes under ./indexes: {_choice(found)}")
    return found[0]


def _choice(found: Iterable[Path]) -> str:
    names = ", ".join(str(path) for path in found)
    make = "create one with `retrieval index FOLDER`"
    return f"choose one with --index: {names}" if names else f"{make}, or say where it is with --index"


def write(chunks: Iterable[str]) -> None:
    """Write data to stdout as UTF-8, file names byte for byte, each chunk at once."""
    for chunk in chunks:
        sys.stdout.buffer.write(chunk.encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()


def screen_width() -> int | None:
    """Return the terminal's width if stdout is one."""
    if not sys.stdout.isatty():
        return None
    import shutil

    return shutil.get_terminal_size().columns


format_option = click.option(
    "--format",
    "form",
    type=click.Choice(OUTPUT_FORMATS),
    help="Output format. Default: table on a terminal, tsv elsewhere.",
)
summary_format_option = click.option(
    "--format", "form", type=click.Choice(OUTPUT_FORMATS), default="table", show_default=True, help="Output format."
)


def choose_layout(
    form: str | None, *, relative: bool = False, filepath_only: bool = False, print0: bool = False
) -> "Layout":
    """Return how to write records: by default a table on a terminal, TSV in a pipe."""
    from retrieval.present.view import Layout

    if filepath_only or print0:
        form = "paths0" if print0 else "paths"
    chosen = form or ("table" if sys.stdout.isatty() else "tsv")
    return Layout(cast("Format", chosen), relative, screen_width())


relative_option = click.option("--relative", is_flag=True, help="Print paths relative to the current folder.")


def layout_options(function: Function) -> Function:
    """Add the options for how photos are listed; the command gets them as one `layout`."""

    @functools.wraps(function)
    def command(*arguments: Any, **options: Any) -> Any:
        chosen = {name: options.pop(name) for name in ("form", "relative", "filepath_only", "print0")}
        return function(*arguments, layout=choose_layout(**chosen), **options)

    for option in reversed(
        (
            format_option,
            click.option("-f", "--filepath-only", is_flag=True, help="Print only the paths, one per line."),
            click.option("-0", "--print0", is_flag=True, help="Print only the paths, each ended by NUL, for xargs -0."),
            relative_option,
        )
    ):
        command = option(command)
    return command  # type: ignore[return-value]


def show_view(view: "View", layout: "Layout") -> None:
    """Write records to stdout."""
    from retrieval.present.view import render

    write(render(view, layout))


def say(text: str) -> None:
    """Write a hint or warning to stderr, printable whatever file names it holds."""
    click.echo("\n".join(printable(line) for line in text.split("\n")), err=True)
