"""`retrieval relocate`: tell an index where a root folder is mounted now."""

from pathlib import Path

import click

from retrieval.cli.options import find_index, index_option, verbose_option, write
from retrieval.text import printable


@click.command()
@click.argument("root")
@click.argument("folder", type=click.Path(path_type=Path))
@index_option
@verbose_option
def command(root: str, folder: Path, index_folder: str | None) -> None:
    """Tell an index where a root folder is mounted now.

    ROOT is a name from `retrieval status`; FOLDER is where it is now, at another mount point or on another computer. No
    photo is read, and none is forgotten.

    \b
    Examples:
      retrieval relocate archive /mnt/photos/archive
    """
    run(find_index(index_folder), root, folder)
    write([printable(f"root {root} is at {folder.absolute()}") + "\n"])


def run(index_folder: Path, root: str, folder: Path) -> None:
    """Change the index's settings."""
    from retrieval.index import Index

    with Index.open(index_folder) as index:
        index.relocate(root, folder)
