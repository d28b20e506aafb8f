"""`retrieval dedupe ignore`: say that photos are not duplicates."""

from pathlib import Path

import click

from retrieval.cli.options import find_index, index_option, say, verbose_option, write
from retrieval.text import tsv_line


@click.command()
@click.argument("photos", nargs=-1, type=click.Path(path_type=Path), metavar="PHOTO...")
@index_option
@click.option("--undo", "take_back", is_flag=True, help="Take back what was said of these photos.")
@click.option("--list", "listed", is_flag=True, help="List what was said so far.")
@verbose_option
def command(photos: tuple[Path, ...], index_folder: str | None, take_back: bool, listed: bool) -> None:
    """Say that photos are not duplicates; remembered from then on.

    Each of the PHOTOS is meant to differ from each other one. What is remembered are their contents: moving, renaming
    or indexing them again changes nothing. `retrieval dedupe find` leaves such pairs out.
    """
    from retrieval.index import Index

    if listed == bool(photos) or len(photos) == 1:
        raise click.UsageError("name at least two photos, or say --list")
    with Index.open(find_index(index_folder)) as index:
        if listed:
            write(tsv_line([_names(one), _names(other)]) for one, other in index.ignored())
            return
        count = index.ignore(photos, take_back=take_back)
    pairs = f"{count:,} pair{'' if count == 1 else 's'}"
    if not count:
        say("Nothing to take back: nobody said so." if take_back else "That was said before: nothing changes.")
    else:
        say(f"{pairs} may be told duplicates again." if take_back else f"{pairs} will not be told duplicates any more.")


def _names(paths: list[Path]) -> str:
    return str(paths[0]) if paths else "(a photo that is gone)"
