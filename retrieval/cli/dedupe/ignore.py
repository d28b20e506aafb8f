"""`retrieval dedupe ignore`: say that photos are not duplicates."""

from pathlib import Path

import click

from retrieval.cli.options import (
    choose_layout,
    find_index,
    format_option,
    index_option,
    say,
    show_view,
    verbose_option,
)


@click.command()
@click.argument("photos", nargs=-1, type=click.Path(path_type=Path), metavar="PHOTO...")
@format_option
@index_option
@click.option("--undo", "take_back", is_flag=True, help="Take back what was said of these photos.")
@click.option("--list", "listed", is_flag=True, help="List what was said so far.")
@verbose_option
def command(
    photos: tuple[Path, ...], form: str | None, index_folder: str | None, take_back: bool, listed: bool
) -> None:
    """Say that photos are not duplicates; remembered from then on.

    Each of the PHOTOS is meant to differ from each other one. What is remembered are their contents: moving, renaming
    or indexing them again changes nothing. `retrieval dedupe find` leaves such pairs out.
    """
    from retrieval.index import Index

    if listed == bool(photos) or len(photos) == 1:
        raise click.UsageError("name at least two photos, or say --list")
    with Index.open(find_index(index_folder)) as index:
        if listed:
            from retrieval.present.runs import ignored_pairs

            layout = choose_layout(form)
            show_view(ignored_pairs(index.ignored(), layout), layout)
            return
        count = index.ignore(photos, take_back=take_back)
    pairs = f"{count:,} pair{'' if count == 1 else 's'}"
    if not count:
        say("Nothing to take back: nobody said so." if take_back else "That was said before: nothing changes.")
    else:
        say(f"{pairs} may be told duplicates again." if take_back else f"{pairs} will not be told duplicates any more.")
