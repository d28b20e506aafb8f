"""`retrieval status`: what an index holds."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrieval.cli.options import find_index, index_option, verbose_option, write
from retrieval.text import dump_json, printable, tsv_line

if TYPE_CHECKING:
    from retrieval.index import Status
    from retrieval.manifest import Calibration
    from retrieval.search.status import IvfStatus


@click.command()
@index_option
@click.option("--failures", is_flag=True, help="List every photo that failed, with its reason: path, kind, reason.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print it.")
@verbose_option
def command(index_folder: str | None, failures: bool, form: str) -> None:
    """Show an index's model, photos by state, size on disk, search quality, and failures by reason."""
    write(run(find_index(index_folder), failures=failures, json=form == "json"))


def run(folder: Path, *, failures: bool, json: bool) -> Iterator[str]:
    """Describe the index, or list its failures."""
    from retrieval.index import Index

    with Index.open(folder) as index:
        if failures:
            for failure in index.failures():
                if json:
                    fields = {"path": str(failure.path), "kind": failure.kind, "reason": failure.reason}
                    yield dump_json(fields) + "\n"
                else:
                    yield tsv_line((failure.path, failure.kind, failure.reason))
            return
        status = index.status()
        yield dump_json(document(status), indent=2) + "\n" if json else text(status)


def text(status: "Status") -> str:
    """Describe an index to a person."""
    model, counts = status.model, status.counts
    label_kind = "general labels" if model.label_kind == "general" else "species"
    size = megabytes(sum(status.size_bytes.values()))
    lines = [
        ("index", f"{status.folder}, {size}, made {status.created_at}"),
        (
            "model",
            f"{model.name}, {model.height} x {model.width} px, {model.classes:,} {label_kind}, {model.precision}",
        ),
        *((("precision", precision(status.calibration)),) if status.calibration else ()),
        *(
            (f"root {name}", f"{path}{'' if path.is_dir() else '  (not there now)'}")
            for name, path in status.roots.items()
        ),
        ("photos", f"{counts.indexed:,} indexed, {counts.failed:,} failed, {counts.gone:,} gone"),
        ("vectors", f"{counts.vectors:,} of {model.dimension} dimensions, {counts.dead:,} without a present photo"),
        ("search", search(status.search)),
        *((f"failed: {kind}", f"{count:,}") for kind, count in status.failures.items()),
    ]
    width = max(len(name) for name, _ in lines)
    return "".join(f"{printable(name):<{width}}  {printable(value)}\n" for name, value in lines)


def precision(calibration: "Calibration") -> str:
    """Describe how near a quantised network is to itself in fp32."""
    return (
        f"int8, calibrated on {calibration.photos:,} photos; on {calibration.held_back:,} held back the "
        f"{calibration.k} nearest agree with fp32 to {calibration.overlap:.3f}, cosine "
        f"{calibration.mean_cosine:.4f} on average, {calibration.lowest_cosine:.4f} at least"
    )


def search(ivf: "IvfStatus") -> str:
    """Describe the search index in brief."""
    if not ivf.rows:
        return f"exact, over {ivf.tail:,} rows"
    recall = f"recall {ivf.recall:.4f} at {ivf.k} measured" if ivf.recall is not None else "recall not measured yet"
    target = f", target {ivf.target_recall}" if ivf.target_recall is not None else ""
    how = f"IVF of {ivf.rows:,} rows, {searched(ivf.lists, ivf.nprobe, ivf.shortlist)}"
    memory = f"; {ivf.code}, {gigabytes(ivf.memory_bytes)} of memory" if ivf.memory_bytes is not None else ""
    return f"{how}, {recall}{target}{memory}; tail of {ivf.tail:,} searched exactly"


def searched(lists: int, nprobe: int, shortlist: int) -> str:
    """Say what a query looks into."""
    again = f", {shortlist:,} rows scored again" if shortlist else ""
    return f"{nprobe:,} of {lists:,} lists probed{again}"


def document(status: "Status") -> dict[str, Any]:
    """Describe an index to a program."""
    return {
        "index": str(status.folder.absolute()),
        "model": asdict(status.model),
        "calibration": asdict(status.calibration) if status.calibration else None,
        "created_at": status.created_at,
        "roots": {name: str(path) for name, path in status.roots.items()},
        "photos": {"indexed": status.counts.indexed, "failed": status.counts.failed, "gone": status.counts.gone},
        "vectors": {"rows": status.counts.vectors, "dead": status.counts.dead},
        "search": asdict(status.search),
        "failures": status.failures,
        "size_bytes": status.size_bytes,
    }


def megabytes(size_bytes: int) -> str:
    """Show a size in decimal megabytes, as file managers do."""
    return f"{size_bytes / 1e6:,.1f} MB"


def gigabytes(size_bytes: int) -> str:
    """Show memory in the unit that suits it."""
    return f"{size_bytes / 1e9:,.2f} GB" if size_bytes >= 1e9 else megabytes(size_bytes)
