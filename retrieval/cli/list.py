"""`retrieval list`: photos by filter, and the species among them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrieval.cli.filters import filter_options, tell_of_labels
from retrieval.cli.options import (
    find_index,
    index_option,
    layout_options,
    say,
    verbose_option,
    write,
)
from retrieval.filters import Filter
from retrieval.text import format_count

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
    help="List species instead: how many photos, on how many days, the first and last, and the best photo.",
)
@click.option(
    "--sort",
    type=click.Choice(ORDERS),
    help="Default: path, or with --by-species the name. date: oldest first; probability: most certain first; photos: "
    "most photos first (with --by-species).",
)
@click.option("--reverse", is_flag=True, help="Reverse the order.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N.")
@click.option("--count", is_flag=True, help="Print only how many there are.")
@layout_options
@index_option
@verbose_option
def command(index_folder: str | None, filter: Filter, layout: "Layout", **options: Any) -> None:
    """List photos by species, date, place, folder or camera, or the species among them.

    Without options all photos of the index are listed. A photo must match every option, and any one value of an option
    that is repeated. With --by-species the list is your life list: each species with its number of photos and of days,
    the first and last date, and the most certain photo. No photo is read.

    \b
    Examples:
      retrieval list --species '*warbler*' --near 25.19,55.32,10 --sort date
      retrieval list --by-species --since 2024 --min-probability 0.8
    """
    folder = find_index(index_folder)
    tell_of_labels(folder, filter)
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
    """Query the index, and render what it finds as it comes."""
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
    """Sort species; by date means by the first photo, and those without a date come last."""
    keys: dict[str, Callable[[ListedSpecies], Any]] = {
        "path": lambda one: str(one.path),
        "date": lambda one: ((one.first is None) != reverse, one.first.replace(tzinfo=None) if one.first else None),
        "species": lambda one: one.species,
        "probability": lambda one: -one.probability,
        "photos": lambda one: -one.photos,
    }
    return sorted(found, key=keys[sort or "species"], reverse=reverse)


def _tell_of_gaps(index: "Index", wanted: Filter) -> None:
    """Tell the user how many photos cannot match a condition because they lack the date or place."""
    if wanted.since is not None or wanted.until is not None:
        undated = index.without("date")
        if undated:
            say(f"--since and --until leave out {format_count(undated, 'photo')} without a date.")
    if wanted.near:
        unplaced = index.without("place")
        if unplaced:
            say(f"--near leaves out {format_count(unplaced, 'photo')} without a place.")
