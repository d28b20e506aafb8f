"""`retrieval dedupe ignore`: remember that photos are not duplicates."""

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
from retrieval.text import format_count


@click.command()
@click.argument("photos", nargs=-1, type=click.Path(path_type=Path), metavar="PHOTO...")
@format_option
@index_option
@click.option("--undo", "take_back", is_flag=True, help="Forget this about these photos.")
@click.option("--list", "listed", is_flag=True, help="List the remembered pairs.")
@verbose_option
def command(
    photos: tuple[Path, ...], form: str | None, index_folder: str | None, take_back: bool, listed: bool
) -> None:
    """Remember that photos are not duplicates.

    None of the PHOTOS is a duplicate of another. Their contents are remembered: moving, renaming or indexing the files
    again changes nothing. `retrieval dedupe find` leaves such pairs out.

    \b
    Examples:
      retrieval dedupe ignore ./archive/0412.jpg ./archive/0413.jpg
      retrieval dedupe ignore --list
    """
    from retrieval.index import Index

    if listed == bool(photos) or len(photos) == 1:
        raise click.UsageError("Name at least two photos, or add --list.")
    with Index.open(find_index(index_folder)) as index:
        if listed:
            from retrieval.present.runs import ignored_pairs

            layout = choose_layout(form)
            show_view(ignored_pairs(index.ignored(), layout), layout)
            return
        count = index.ignore(photos, take_back=take_back)
    pairs = format_count(count, "pair")
    if not count:
        say("There was nothing to forget." if take_back else "This was remembered before: nothing changes.")
    else:
        say(f"{pairs} can be found as duplicates again." if take_back else f"{pairs} will not be found as duplicates.")
