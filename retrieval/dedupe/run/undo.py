"""Undoes a run, the last file first, and lists runs. A file that cannot be put back is left alone and reported."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal

from retrieval.dedupe.run import restore
from retrieval.dedupe.run.journal import Journal, find_journal, journals
from retrieval.dedupe.run.records import Change, State
from retrieval.dedupe.run.recovery import put_back, recover, refuse_unmounted
from retrieval.dedupe.run.report import RunReport, RunSummary
from retrieval.dedupe.run.transfer import sync_entries
from retrieval.errors import Interrupted, RunError
from retrieval.lock import changing, writing
from retrieval.records import Progress
from retrieval.store import Store


def undo(
    store: Store,
    run: str | None = None,
    *,
    dry_run: bool = False,
    progress: Callable[[Progress], None] = lambda _progress: None,
) -> RunReport:
    """Put back the files of a run, by default the last; return what was put back, and what was left alone and why.

    May be interrupted, killed and repeated. Raises RunError for an unknown run or one whose journal cannot be read or
    written, IndexLockedError while another process writes to the index, ArchiveLockedError while another run changes
    files in a root.
    """
    if dry_run:
        store.reload()
        return _dry_run(store, find_journal(store.folder, run))
    with writing(store.folder), find_journal(store.folder, run) as journal:
        store.reload()
        journal.relocate(store.manifest.roots)
        report = RunReport(journal.header.mode, journal.header.run)
        if _is_undone(journal) and not journal.folders:
            return report
        roots = store.manifest.roots.values()
        with changing(roots, _holding_folder(journal, roots)):
            recover(store, journal, report)
            _put_back_all(store, journal, report, progress)
            _remove_folders(journal)
        if not journal.ended and not report.interrupted:
            journal.end()
        return report


def runs(store: Store) -> Iterator[RunSummary]:
    """Yield the runs of an index, the oldest first. Raises RunError for a journal that cannot be read."""
    for journal in journals(store.folder):
        changes = journal.in_state(State.DONE, State.UNDOING, State.UNDONE)
        size = sum(change.original.size for change in changes)
        header = journal.header
        yield RunSummary(header.run, header.started_at, header.mode, len(changes), size, _state(journal))


def _put_back_all(store: Store, journal: Journal, report: RunReport, progress: Callable[[Progress], None]) -> None:
    changes = journal.in_state(State.DONE)
    try:
        for number, change in enumerate(changes, start=1):
            if _is_undoable(store, journal, change, report):
                journal.set_state(change.number, State.UNDOING)
                if put_back(store, journal, change, State.UNDONE, report):
                    _count(change, report)
            progress(Progress("applying", number, len(changes), len(report.skipped), change.path))
    except Interrupted:
        report.interrupted = True


def _is_undoable(store: Store, journal: Journal, change: Change, report: RunReport) -> bool:
    try:
        refuse_unmounted(store, journal, change)
        restore.check_undoable(change)
    except (RunError, OSError) as error:
        report.skip(change.group, change.path, error)
        return False
    return True


def _count(change: Change, report: RunReport) -> None:
    report.photos += change.is_photo
    report.sidecars += not change.is_photo
    report.size += change.original.size


def _holding_folder(journal: Journal, roots: Iterable[Path]) -> list[Path]:
    """Return the folder outside the roots that holds the run's files, if there is one."""
    roots, folders = list(roots), {change.target.parent for change in journal.changes.values() if change.target}
    outside = [folder for folder in folders if not any(folder.is_relative_to(root) for root in roots)]
    return [Path(os.path.commonpath(outside))] if outside else []


def _remove_folders(journal: Journal) -> None:
    """Remove the folders that the run made, if they are empty again."""
    for folder in reversed(journal.folders):
        with contextlib.suppress(OSError):
            folder.rmdir()
            sync_entries(folder.parent)


def _dry_run(store: Store, journal: Journal) -> RunReport:
    journal.relocate(store.manifest.roots)
    report = RunReport(journal.header.mode, journal.header.run, dry_run=True)
    for change in journal.in_state(State.DONE, State.UNDOING):
        if journal.states[change.number] == State.UNDOING or _is_undoable(store, journal, change, report):
            _count(change, report)
    return report


def _is_undone(journal: Journal) -> bool:
    return journal.undo_started and not journal.in_state(State.BEGUN, State.DONE, State.UNDOING)


def _state(journal: Journal) -> Literal["finished", "unfinished", "undone", "partly undone"]:
    if _is_undone(journal):
        return "undone"
    if journal.undo_started:
        return "partly undone"
    return "finished" if journal.ended else "unfinished"
