"""`retrieval dedupe find`: find duplicates and write a plan."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrieval.cli import EXIT_INTERRUPTED
from retrieval.cli.filters import filter_options, tell_of_labels
from retrieval.cli.options import (
    OUTPUT_FORMATS,
    choose_layout,
    find_index,
    given,
    index_option,
    indexes,
    progress_option,
    relative_option,
    say,
    show_view,
    verbose_option,
    write,
)
from retrieval.cli.progress import shown
from retrieval.errors import DedupeError, IndexNotFoundError, Interrupted, QueryError
from retrieval.filters import Filter
from retrieval.manifest import Manifest

if TYPE_CHECKING:
    from retrieval.index import Findings, FindOptions, Index

SHOWN_GROUPS = 2_000  # on the page: about 60 MB
KINDS = ("exact", "same-pixels", "near", "altered", "overlap", "same-scene", "burst", "raw+jpeg")
FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


class Kinds(click.ParamType[tuple[str, ...]]):
    """A list of kinds, separated by commas."""

    name = "kinds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Split and check."""
        if isinstance(value, tuple):
            return value
        kinds = tuple(kind.strip() for kind in value.split(",") if kind.strip())
        unknown = [kind for kind in kinds if kind not in KINDS]
        if unknown or not kinds:
            self.fail(
                f"{', '.join(unknown) or 'an empty list'} is not a kind: choose from {', '.join(KINDS)}", param, ctx
            )
        return kinds


@click.command()
@click.argument("archives", nargs=-1, type=FOLDER, metavar="[FOLDER]...")
@index_option
@click.option(
    "--kinds",
    type=Kinds(),
    metavar="KIND,...",
    help=f"Kinds to find: {', '.join(KINDS)}. The last four are only listed. Default: all, altered listed too.",
)
@click.option("--min-score", type=click.FloatRange(0, 1), help="Leave out near pairs with a lower correlation, 0 to 1.")
@click.option("--same-folder", is_flag=True, help="Only duplicates within one folder.")
@click.option(
    "--across",
    nargs=2,
    type=FOLDER,
    metavar="FOLDER FOLDER",
    help="Only pairs with one file in each, such as a card and the archive. Only files of the first are offered.",
)
@click.option("--both-ways", is_flag=True, help="With --across: offer files of the second folder, too.")
@click.option(
    "--keep",
    multiple=True,
    metavar="RULE,...",
    help="Which file stays, by rules in order of weight: raw, format:raw>heic>jpg, resolution, bytes, metadata, "
    "oldest, newest, path:DIR, shortest-name, shortest-path. Default: raw,resolution,bytes,metadata,oldest. A file "
    "that has all that another has, and more, stays whatever the rules say.",
)
@click.option(
    "--keep-lesser",
    is_flag=True,
    help="Follow the rules even if they keep a file that lacks something; the plan says what would be lost.",
)
@click.option(
    "--reference",
    multiple=True,
    type=FOLDER,
    metavar="FOLDER",
    help="Never touch the files in this folder. Repeatable.",
)
@filter_options
@click.option("-o", "--output", type=FILE, help="Write a plan that you can edit and apply: .csv or .json.")
@click.option("--html", type=FILE, help="Write a page with the pictures side by side.")
@click.option("--overwrite", is_flag=True, help="Replace a plan or page that exists.")
@click.option(
    "--format", "form", type=click.Choice(OUTPUT_FORMATS), help="Print the groups too. Default: only a summary."
)
@relative_option
@click.option("-j", "--workers", type=click.IntRange(min=1), help="Threads for comparing. Default: one per core.")
@progress_option
@verbose_option
def command(
    archives: tuple[Path, ...],
    index_folder: str | None,
    output: Path | None,
    html: Path | None,
    overwrite: bool,
    form: str | None,
    relative: bool,
    progress: bool | None,
    **options: Any,
) -> None:
    """Find duplicates and write a plan; changes no photo.

    Compares the photos of the whole index, or only those in FOLDERS. Embeddings propose pairs, pixels decide. A file is
    offered for removal only if its keeper has everything that it has; the plan says for each pair how the files match,
    and for each group why its keeper stays. Altered pictures, such as watermarked ones, are offered only with --kinds
    altered. Overlapping pictures, shots of one scene, bursts and RAW+JPEG pairs are listed, and kept. With --species,
    --since, --under and the like, only the photos that they choose take part.

    Read or edit the plan, then run `retrieval dedupe apply PLAN`.

    \b
    Examples:
      retrieval dedupe find -o plan.csv --html plan.html
      retrieval dedupe find --across /mnt/card ./archive -o card.csv
      retrieval dedupe find --keep raw,path:./archive/best,resolution -o plan.csv
    """
    from retrieval.index import Index

    if options["both_ways"] and options["across"] is None:
        raise click.UsageError("--both-ways needs --across.")
    _check_targets(overwrite, output, html)
    folder = choose_index(index_folder, archives)
    tell_of_labels(folder, options["filter"])
    try:
        with Index.open(folder, **given(workers=options.pop("workers"))) as index, shown(progress) as show:
            findings = index.duplicates(_options(index, archives, **options), progress=show)
            _deliver(index, findings, folder, output, html, overwrite)
    except Interrupted:
        say("Stopped. Run the same command again to resume: what was compared is remembered.")
        raise SystemExit(EXIT_INTERRUPTED) from None
    _print(findings, form, relative)


def choose_index(chosen: str | None, archives: tuple[Path, ...]) -> Path:
    """Return the index that was named, or the one that holds these folders, or the only one there is."""
    if chosen is not None or not archives:
        return find_index(chosen)
    wanted = [archive.resolve() for archive in archives]
    found = [folder for folder in indexes() if all(Manifest.read(folder).locate(archive) for archive in wanted)]
    if len(found) == 1:
        return found[0]
    what = "more than one index holds" if found else "no index under ./indexes holds"
    names = " ".join(str(archive) for archive in archives)
    raise IndexNotFoundError(f"{what} {names}: run `retrieval index {names}` first, or choose one with --index")


def _options(
    index: "Index",
    archives: tuple[Path, ...],
    kinds: tuple[str, ...] | None,
    min_score: float | None,
    same_folder: bool,
    across: tuple[Path, Path] | None,
    both_ways: bool,
    keep: tuple[str, ...],
    keep_lesser: bool,
    reference: tuple[Path, ...],
    filter: Filter,
) -> "FindOptions":
    from retrieval.dedupe.plan.records import Kind
    from retrieval.index import FindOptions, FindScope

    for folder in (*archives, *(across or ())):
        if not any(root == folder.resolve() or root in folder.resolve().parents for root in index.roots.values()):
            raise QueryError(f"{folder} is not in {index.folder}: index it first with `retrieval index {folder}`")
    scope = FindScope(
        reference=[folder.resolve() for folder in reference],
        within=[folder.resolve() for folder in archives],
        same_folder=same_folder,
        across=(across[0].resolve(), across[1].resolve()) if across else None,
        both_ways=both_ways,
    )
    wanted = tuple(Kind(kind) for kind in kinds) if kinds else None
    chosen = given(keep=keep or None, min_score=min_score)
    return FindOptions(
        kinds=wanted, keep_lesser=keep_lesser, scope=scope, filter=filter, workers=index.embedder.workers, **chosen
    )


def _check_targets(overwrite: bool, *files: Path | None) -> None:
    """Refuse files that cannot be written, before minutes of work; a plan that exists may have been edited."""
    for file, suffixes in zip(files, ((".csv", ".json"), (".html",)), strict=True):
        if file is not None and file.suffix.lower() not in suffixes:
            raise DedupeError(f"{file} cannot be written: its name must end in {' or '.join(suffixes)}")
        if file is not None and not file.absolute().parent.is_dir():
            raise DedupeError(f"there is no folder {file.parent}: create it, or choose another place for {file.name}")
        if file is not None and file.exists() and not overwrite:
            raise DedupeError(f"{file} already exists: choose another name, or add --overwrite")


def _deliver(
    index: "Index", findings: "Findings", folder: Path, output: Path | None, html: Path | None, overwrite: bool
) -> None:
    from retrieval.dedupe.plan import plan_file
    from retrieval.present import page

    plan = findings.plan
    if output is not None:
        plan_file.write(plan, output, overwrite=overwrite)
    if html is not None:
        page.write_page(plan, html, index.thumbnail, apart=findings.related, limit=SHOWN_GROUPS, overwrite=overwrite)
        say(f"The page is {html}")
    if output is not None:
        apply = shlex.join(["retrieval", "dedupe", "apply", str(output), "--index", str(folder)])
        say(f"The plan is {output}: read or edit it, then run `{apply}`.")
    elif plan.groups:
        say("Nothing was written: add -o plan.csv for a plan to apply, --html plan.html for a page with the pictures.")


def _print(findings: "Findings", form: str | None, relative: bool) -> None:
    from retrieval.present import duplicates

    if form is None:
        write([duplicates.summary(findings.plan, findings.related)])
    else:
        say(duplicates.summary(findings.plan, findings.related).rstrip("\n"))
        layout = choose_layout(form, relative=relative)
        show_view(duplicates.duplicates(findings.plan, findings.related, layout=layout), layout)
