"""Puts back what a run has changed, the last file first, and lists the runs. What cannot be put back is left."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from retrieval.dedupe.run import restore
from retrieval.dedupe.run.journal import Journal, find_journal, journals
from retrieval.dedupe.run.records import Mode, State, Step
from retrieval.dedupe.run.recovery import put_back, reason, recover, refuse_unmounted
from retrieval.dedupe.run.report import RunReport
from retrieval.dedupe.run.transfer import sync_entries
from retrieval.errors import Interrupted, RunError
from retrieval.lock import writing
from retrieval.records import Progress
from retrieval.store import Store


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run, for a list of them."""

    run: str
    started_at: str  # ISO 8601
    mode: Mode
    files: int  # changed, sidecars included, whether put back since or not
    size: int  # of them, bytes
    state: Literal["finished", "unfinished", "undone", "partly undone"]


def undo(
    store: Store,
    run: str | None = None,
    *,
    dry_run: bool = False,
    progress: Callable[[Progress], None] = lambda _progress: None,
) -> RunReport:
    """Put back the files of a run, or of the last one; return what was put back and what was left, and why.

    May be interrupted, killed and repeated. Raises RunError for a run that does not exist or whose journal cannot be
    read or written, IndexLockedError while another process writes.
    """
    if dry_run:
        return _rehearse(store, find_journal(store.folder, run))
    with writing(store.folder), find_journal(store.folder, run) as journal:
        store.reload()
        journal.relocate(store.manifest.roots)
        report = RunReport(journal.header.mode, journal.header.run)
        if _is_undone(journal) and not journal.folders:
            return report
        recover(store, journal, report)
        _put_back_all(store, journal, report, progress)
        _remove_folders(journal)
        if not journal.ended and not report.interrupted:
            journal.end()
        return report


def runs(store: Store) -> Iterator[RunSummary]:
    """List the runs of an index, the oldest first."""
    for journal in journals(store.folder):
        steps = journal.in_state(State.DONE, State.UNDOING, State.UNDONE)
        size = sum(step.was.size for step in steps)
        header = journal.header
        yield RunSummary(header.run, header.started_at, header.mode, len(steps), size, _state(journal))


def _put_back_all(store: Store, journal: Journal, report: RunReport, progress: Callable[[Progress], None]) -> None:
    steps = journal.in_state(State.DONE)
    try:
        for number, step in enumerate(steps, start=1):
            if _may(store, step, report):
                journal.mark(step.number, State.UNDOING)
                if put_back(store, journal, step, State.UNDONE, report):
                    _count(step, report)
            progress(Progress("applying", number, len(steps), len(report.skipped), step.path))
    except Interrupted:
        report.interrupted = True


def _may(store: Store, step: Step, report: RunReport) -> bool:
    try:
        refuse_unmounted(store, step)
        restore.check(step)
    except (RunError, OSError) as error:
        report.skip(step.group, step.path, reason(error))
        return False
    return True


def _count(step: Step, report: RunReport) -> None:
    report.photos += step.photo
    report.sidecars += not step.photo
    report.size += step.was.size


def _remove_folders(journal: Journal) -> None:
    """Remove the folders that the run made, where they are empty again."""
    for folder in reversed(journal.folders):
        with contextlib.suppress(OSError):
            folder.rmdir()
            sync_entries(folder.parent)


def _rehearse(store: Store, journal: Journal) -> RunReport:
    journal.relocate(store.manifest.roots)
    report = RunReport(journal.header.mode, journal.header.run, dry_run=True)
    for step in journal.in_state(State.DONE, State.UNDOING):
        if journal.states[step.number] == State.UNDOING or _may(store, step, report):
            _count(step, report)
    return report


def _is_undone(journal: Journal) -> bool:
    return journal.undo_begun and not journal.in_state(State.BEGUN, State.DONE, State.UNDOING)


def _state(journal: Journal) -> Literal["finished", "unfinished", "undone", "partly undone"]:
    if _is_undone(journal):
        return "undone"
    if journal.undo_begun:
        return "partly undone"
    return "finished" if journal.ended else "unfinished"
