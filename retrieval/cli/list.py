"""`retrieval list`: photos by filter, and the species among them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrieval.cli.filters import filter_options, tell_of_labels
from retrieval.cli.options import (
    OUTPUT_FORMATS,
    choose_layout,
    find_index,
    index_option,
    say,
    verbose_option,
    write,
)
from retrieval.filters import Filter

if TYPE_CHECKING:
    from retrieval.index import Index
    from retrieval.present.view import Layout
    from retrieval.records import ListedSpecies

ORDERS = ("path", "date", "species", "probability", "photos")


@click.command("list")
@filter_options
@click.option(
    "--by-species",
    is_flag=True,
    help="List the species instead: how many photos, on how many days, since when, the best.",
)
@click.option(
    "--sort",
    type=click.Choice(ORDERS),
    help="Default: path, or with --by-species the name. date: the oldest first; probability: the most certain first; "
    "photos: of which there are most (with --by-species).",
)
@click.option("--reverse", is_flag=True, help="The other way round.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N.")
@click.option("--count", is_flag=True, help="Print their number alone.")
@click.option("--format", "form", type=click.Choice(OUTPUT_FORMATS), help="Default: table on a terminal, else tsv.")
@click.option("-f", "--filepath-only", is_flag=True, help="Print the paths alone, one a line.")
@click.option("-0", "--print0", is_flag=True, help="Print the paths alone, each ended by NUL: for xargs -0.")
@click.option("--relative", is_flag=True, help="Print paths as seen from the current folder.")
@index_option
@verbose_option
def command(
    index_folder: str | None,
    filter: Filter,
    form: str | None,
    filepath_only: bool,
    print0: bool,
    relative: bool,
    **options: Any,
) -> None:
    """List the photos of an index: all, or those that the options choose. Reads no photo.

    Conditions of different kinds must all hold; of several of one kind, any. With --by-species it is a life list: which
    species there are, how many photos of each, on how many days, the first and the last, and the most certain photo.
    """
    folder = find_index(index_folder)
    tell_of_labels(folder, filter)
    layout = choose_layout(form, relative=relative, filepath_only=filepath_only, print0=print0)
    write(run(folder, filter, layout, **options))


def run(
    folder: Path,
    wanted: Filter,
    layout: "Layout",
    *,
    by_species: bool,
    sort: str | None,
    reverse: bool,
    limit: int | None,
    count: bool,
) -> Iterator[str]:
    """Ask the index, and render what it has as it comes."""
    from retrieval.index import Index

    if sort == "photos" and not by_species:
        raise click.UsageError("--sort photos orders species: add --by-species")
    with Index.open(folder) as index:
        if count:
            number = len(index.species(wanted)) if by_species else index.count(wanted)
            yield f"{number if limit is None else min(number, limit)}\n"
        elif by_species:
            yield from _rendered(index, _sorted(index.species(wanted), sort, reverse)[:limit], layout)
        else:
            found = index.photos(wanted, order=sort or "path", reverse=reverse, limit=limit)  # type: ignore[arg-type]
            yield from _rendered(index, found, layout)
        _tell_of_gaps(index, wanted)


def _rendered(index: "Index", found: Any, layout: "Layout") -> Iterator[str]:
    from retrieval.present import photos
    from retrieval.present.view import render

    show = photos.species if isinstance(found, list) else photos.photos
    return render(show(found, layout, label_kind=index.model.label_kind), layout)


def _sorted(found: "list[ListedSpecies]", sort: str | None, reverse: bool) -> "list[ListedSpecies]":
    """By date: when each was first photographed, those without a date last."""
    keys: dict[str, Callable[[ListedSpecies], Any]] = {
        "path": lambda one: str(one.path),
        "date": lambda one: ((one.first is None) != reverse, one.first.replace(tzinfo=None) if one.first else None),
        "species": lambda one: one.species,
        "probability": lambda one: -one.probability,
        "photos": lambda one: -one.photos,
    }
    return sorted(found, key=keys[sort or "species"], reverse=reverse)


def _tell_of_gaps(index: "Index", wanted: Filter) -> None:
    """Say how many photos a condition cannot see."""
    if wanted.since is not None or wanted.until is not None:
        undated = index.without("date")
        if undated:
            say(f"{undated:,} photos of this index have no date: --since and --until leave them out.")
    if wanted.near:
        unplaced = index.without("place")
        if unplaced:
            say(f"{unplaced:,} photos of this index have no place: --near leaves them out.")
