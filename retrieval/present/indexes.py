"""An index itself: what it holds, what a run has brought in, how it searches, and what is wrong with it."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from retrieval.present.table import Column, aligned, table
from retrieval.present.view import View, of_document
from retrieval.records import Report
from retrieval.text import format_count, format_size, printable

if TYPE_CHECKING:
    from retrieval.index import Calibration, OperatingPoint, Problem, SearchStatus, Status, Verification


def report(done: Report, index: str) -> View:
    """Show what a run over the archive has done to the index of this name."""
    names = [name for name in Report.__dataclass_fields__ if name != "failures"]
    document = {"index": index, **{name: getattr(done, name) for name in names}}
    return of_document(document, (_report_text(done, index),))


def _report_text(done: Report, index: str) -> str:
    always = ("added", "unchanged", "moved", "gone", "failed")
    names = ("added", "changed", "unchanged", "moved", "returned", "gone", "failed")
    counts = {name: getattr(done, name) for name in names}
    text = "".join(f"{name:>10} {count:>10,}\n" for name, count in counts.items() if count or name in always)
    rate = f", {done.embedded / done.elapsed_s:.1f} photos/s" if done.embedded and done.elapsed_s else ""
    passes = f"{done.embedded:,} network pass{'' if done.embedded == 1 else 'es'}"
    text += f"{passes} in {done.elapsed_s:.1f} s{rate}. Index: {printable(index)}\n"
    if done.links:
        text += f"{format_count(done.links, 'symbolic link')} not followed.\n"
    if done.ignored:
        text += f"{format_count(done.ignored, 'other file')}, not photos.\n"
    return text


def status(found: "Status") -> View:
    """Show what an index holds."""
    counts = found.counts
    document = {
        "index": found.folder.absolute(),
        "model": found.model,
        "calibration": found.calibration,
        "created_at": found.created_at,
        "roots": found.roots,
        "photos": {"indexed": counts.indexed, "failed": counts.failed, "gone": counts.gone},
        "vectors": {"rows": counts.vectors, "dead": counts.dead},
        "search": found.search,
        "failures": found.failures,
        "size_bytes": found.size_bytes,
    }
    return of_document(document, (aligned(list(_status_lines(found))),))


def _status_lines(found: "Status") -> Iterator[tuple[str, str]]:
    model, counts = found.model, found.counts
    labels = "general labels" if model.label_kind == "general" else "species"
    yield "index", f"{found.folder}, {format_size(sum(found.size_bytes.values()))}, made {found.created_at}"
    size = f"{model.height} x {model.width} px"
    yield "model", f"{model.name}, {size}, {model.classes:,} {labels}, {model.precision}"
    if found.calibration:
        yield "precision", _calibration(found.calibration)
    for name, path in found.roots.items():
        yield f"root {name}", f"{path}{'' if path.is_dir() else '  (not there now)'}"
    yield "photos", f"{counts.indexed:,} indexed, {counts.failed:,} failed, {counts.gone:,} gone"
    yield "vectors", f"{counts.vectors:,} of {model.dimension} dimensions, {counts.dead:,} without a present photo"
    yield "search", _search(found.search)
    for kind, count in found.failures.items():
        yield f"failed: {kind}", f"{count:,}"


def _calibration(found: "Calibration") -> str:
    """Describe how close a quantised network is to itself in fp32."""
    return (
        f"int8, calibrated on {found.photos:,} photos; on {found.held_back:,} held back the {found.k} nearest agree "
        f"with fp32 to {found.overlap:.3f}, cosine {found.mean_cosine:.4f} on average, {found.lowest_cosine:.4f} at "
        "least"
    )


def _search(found: "SearchStatus") -> str:
    if not found.rows:
        return f"exact, over {found.tail:,} rows"
    recall = (
        f"recall {found.recall:.4f} at {found.k} measured" if found.recall is not None else "recall not measured yet"
    )
    target = f", target {found.target_recall}" if found.target_recall is not None else ""
    memory = f"; {found.storage}, {format_size(found.memory_bytes)} of memory" if found.memory_bytes is not None else ""
    return f"index of {found.rows:,} rows, {found.method}, {recall}{target}{memory}; {found.tail:,} more, exactly"


def search(found: "SearchStatus") -> View:
    """Show a search index, and what more or less recall would cost."""
    if not found.rows:
        return of_document({"search": None}, ["There are no photos to search yet.\n"])
    return of_document({"search": found}, _search_text(found))


def _search_text(found: "SearchStatus") -> Iterator[str]:
    yield aligned(list(_search_lines(found)))
    if found.curve:
        yield "\n"
        yield from table(_curve_columns(found.curve[0]), found.curve, "")


def _search_lines(found: "SearchStatus") -> Iterator[tuple[str, str]]:
    yield "photos", f"{found.rows:,}"
    yield "method", found.method or "exact"
    if found.storage is not None:
        yield "storage", found.storage
    if found.memory_bytes is not None:
        target = f", {format_size(found.target_memory_bytes)} asked for" if found.target_memory_bytes else ""
        yield "memory", f"{format_size(found.memory_bytes)}{target}; mapped files do not count"
    if found.recall is not None:
        sample = f"the {found.k} nearest of {found.sample:,} photos"
        yield "recall", f"{found.recall:.4f}, measured on {sample}; target {found.target_recall}"


def _curve_columns(first: "OperatingPoint") -> "tuple[Column[OperatingPoint], ...]":
    """Return the columns of a curve: recall, what the engine calls its parameters, and time."""

    def parameter(name: str) -> "Column[OperatingPoint]":
        return Column(name, lambda point: f"{point.parameters[name]:,}", right=True)

    return (
        Column("recall", lambda point: f"{point.recall:.4f}", right=True),
        *(parameter(name) for name in first.parameters),
        Column("ms a query", lambda point: f"{point.ms:.2f}", right=True),
    )


def verification(found: "Verification", remedy: "Callable[[Problem], str]") -> View:
    """Show what is wrong with an index, a row for each problem; `remedy` says what to do about one."""

    def described(problem: "Problem", repaired: bool) -> dict[str, Any]:
        state = "repaired" if repaired else "problem"
        return {"state": state, "place": problem.place, "what": problem.what, "remedy": remedy(problem)}

    problems = [described(one, True) for one in found.repaired] + [described(one, False) for one in found.problems]
    return View(
        columns=("state", "place", "what", "remedy"),
        rows=([tuple(one.values())] for one in problems),
        documents=problems,
        table=_verification_text(found, problems),
        document={"sound": found.sound, "vectors": found.vectors, "files": found.files, "problems": problems},
    )


def _verification_text(found: "Verification", problems: list[dict[str, Any]]) -> Iterator[str]:
    for one in problems:
        advice = f"; {one['remedy']}" if one["state"] == "problem" else ""
        yield printable(f"{one['state']}: {one['what']}{advice}") + "\n"
    files = f", {format_count(found.files, 'file')} read" if found.files else ""
    verdict = "sound" if found.sound else format_count(len(found.problems), "problem")
    yield f"{format_count(found.vectors, 'vector')} checked{files}: {verdict}\n"
