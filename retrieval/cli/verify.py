"""`retrieval verify`: check an index against itself, and mend it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from retrieval.cli import EXIT_FAILED, EXIT_INTERRUPTED
from retrieval.cli.options import find_index, index_option, progress_option, say, verbose_option, write
from retrieval.cli.progress import shown
from retrieval.errors import Interrupted
from retrieval.text import printable

if TYPE_CHECKING:
    from retrieval.indexing.verify import Verification


@click.command()
@index_option
@click.option(
    "--hashes", is_flag=True, help="Read every indexed photo again and compare its bytes: finds failing disks."
)
@click.option("--repair", is_flag=True, help="Mend what can be derived again. Photos are never touched.")
@progress_option
@verbose_option
def command(index_folder: str | None, hashes: bool, repair: bool, progress: bool | None) -> None:
    """Check that catalogue, vectors and search index agree; exit with 1 if something is wrong."""
    try:
        found = run(find_index(index_folder), hashes=hashes, repair=repair, progress=progress)
    except Interrupted:
        say("Stopped before every file was read; nothing was changed by reading them.")
        raise SystemExit(EXIT_INTERRUPTED) from None
    write([text(found)])
    if not found.sound:
        raise SystemExit(EXIT_FAILED)


def run(folder: Path, *, hashes: bool, repair: bool, progress: bool | None) -> "Verification":
    """Check the index."""
    from retrieval.index import Index

    with Index.open(folder) as index, shown(progress) as show:
        return index.verify(hashes=hashes, repair=repair, progress=show)


def text(found: "Verification") -> str:
    """Describe what was found to a person."""
    lines = [f"mended: {problem.what}\n" for problem in found.repaired]
    lines += [f"problem: {problem.what}; {problem.remedy}\n" for problem in found.problems]
    files = f", {found.files:,} files read" if found.files else ""
    verdict = "sound" if found.sound else f"{len(found.problems):,} problems"
    lines.append(f"{found.vectors:,} vectors checked{files}: {verdict}\n")
    return "".join(printable(line.rstrip("\n")) + "\n" for line in lines)
