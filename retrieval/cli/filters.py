"""The options by which photos are chosen, shared by `query`, `list` and `dedupe find`."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from retrieval.cli.options import say
from retrieval.errors import QueryError
from retrieval.filters import Filter, Near, moment
from retrieval.manifest import Manifest

Function = TypeVar("Function", bound=Callable[..., Any])


class Name(click.ParamType[str]):
    """A name; in an environment variable several are separated by commas, because names contain spaces."""

    name = "name"
    envvar_list_splitter = ","


class Moment(click.ParamType[str]):
    """A date, or only its year or month."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check a date, and return it in its normal form."""
        try:
            return moment(value)
        except QueryError as error:
            self.fail(str(error), param, ctx)


class Circle(click.ParamType[Near]):
    """A circle around a place."""

    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Near:
        """Read LAT,LON,KM."""
        try:
            return value if isinstance(value, Near) else Near.parse(value)
        except QueryError as error:
            self.fail(str(error), param, ctx)


_FOLDER = click.Path(path_type=str)  # also names of roots, and folders on disks that are not mounted
_SHARE = click.FloatRange(0, 1)
_OPTIONS = (
    click.option(
        "--species",
        type=Name(),
        multiple=True,
        metavar="NAME",
        help="Only photos of this species: a label in any spelling, a scientific name if the labels have them, or a "
        "pattern such as '*warbler*'. Repeatable: of any of them.",
    ),
    click.option("--not-species", type=Name(), multiple=True, metavar="NAME", help="No photos of this species."),
    click.option(
        "--since",
        type=Moment(),
        metavar="DATE",
        help="Only photos taken then or later, by the camera's clock: 2021, 2021-05, 2021-05-03 or 2021-05-03T14:30. "
        "Photos without a date are left out.",
    ),
    click.option(
        "--until",
        type=Moment(),
        metavar="DATE",
        help="Only photos taken before the end of that year, month, day or minute.",
    ),
    click.option(
        "--near",
        type=Circle(),
        multiple=True,
        metavar="LAT,LON,KM",
        help="Only photos taken within KM kilometres of a place: 25.19,55.32,10. Repeatable: near any of them.",
    ),
    click.option(
        "--not-near",
        type=Circle(),
        multiple=True,
        metavar="LAT,LON,KM",
        help="No photos taken there. Photos of unknown place stay.",
    ),
    click.option(
        "--under",
        type=_FOLDER,
        multiple=True,
        metavar="FOLDER",
        help="Only photos in this folder or below: a path, or a root's name. Repeatable: in any of them.",
    ),
    click.option(
        "--not-under", type=_FOLDER, multiple=True, metavar="FOLDER", help="No photos in this folder or below."
    ),
    click.option(
        "--camera",
        type=Name(),
        multiple=True,
        metavar="TEXT",
        help="Only photos by a camera whose maker and model contain this text, or match it if it is a pattern. "
        "Repeatable: by any of them.",
    ),
    click.option("--not-camera", type=Name(), multiple=True, metavar="TEXT", help="No photos by such a camera."),
    click.option(
        "--min-probability",
        type=_SHARE,
        metavar="P",
        help="Only photos whose species is at least this probable, 0 to 1.",
    ),
    click.option(
        "--max-probability", type=_SHARE, metavar="P", help="Only photos whose species is at most this probable."
    ),
)


def filter_options(function: Function) -> Function:
    """Add the options; the command gets them as one `filter`."""

    @functools.wraps(function)
    def command(*arguments: Any, **options: Any) -> Any:
        chosen = {name: options.pop(name) for name in Filter.__slots__}
        try:
            wanted = Filter(**chosen)
        except QueryError as error:
            raise click.UsageError(str(error)) from error
        return function(*arguments, filter=wanted, **options)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command  # type: ignore[return-value]


def tell_of_labels(folder: Path, wanted: Filter, *, other_species: bool = False) -> None:
    """Tell the user what a choice by species means for a model whose labels are not species."""
    model = Manifest.read(folder).model
    if model.label_kind == "species" or not (wanted.species or wanted.not_species or other_species):
        return
    if other_species:
        say(f"{model.name} names no species: --other-species only leaves out photos with the same general label.")
    else:
        say(f"{model.name} names no species: --species and --not-species use its general labels.")
