"""Recovers from a killed run, or a killed undo: rolls back the shot that it left half changed."""

import os

from retrieval.dedupe.run import catalogue_updates
from retrieval.dedupe.run.checks import is_mounted
from retrieval.dedupe.run.journal import Journal
from retrieval.dedupe.run.records import Change, Mode, State
from retrieval.dedupe.run.report import RunReport
from retrieval.dedupe.run.restore import restore
from retrieval.errors import JournalError, Remedy, RunError
from retrieval.store import Store


def recover(store: Store, journal: Journal, report: RunReport) -> None:
    """Roll back a shot that is half changed, and finish putting back a file whose undoing had begun.

    A file that cannot be put back is reported and stays as it is. The caller holds the write lock.
    """
    roll_back(store, journal, report)
    for change in journal.in_state(State.UNDOING):
        put_back(store, journal, change, State.UNDONE, report)


def roll_back(store: Store, journal: Journal, report: RunReport) -> None:
    """Roll back the incomplete changes, the last first, so that no shot is left in two places.

    A deleted file stays deleted; if that completes its shot, the sidecars stay in the holding folder.
    """
    for change in journal.incomplete_changes():
        claimed = journal.claimed_path(change)
        if change.mode == Mode.DELETE and not os.path.lexists(change.path) and not os.path.lexists(claimed):
            catalogue_updates.record_change(store, change)
            journal.finish(change.number)
    for change in journal.incomplete_changes():
        put_back(store, journal, change, State.VOID, report)


def put_back(store: Store, journal: Journal, change: Change, state: State, report: RunReport) -> bool:
    """Put one file back and record this state in the journal. If that fails, report it and return False."""
    try:
        refuse_unmounted(store, change)
        restore(journal, change)
    except JournalError:
        raise
    except (RunError, OSError) as error:
        report.skip(change.group, change.path, error)
        return False
    catalogue_updates.record_return(store, change)
    journal.set_state(change.number, state)
    return True


def refuse_unmounted(store: Store, change: Change) -> None:
    """Raise RunError if the disk of a file's root is not mounted: nothing may be written into its mount point."""
    found = store.manifest.locate(change.path)
    root = store.manifest.roots[found[0]] if found else change.path.parent
    if not is_mounted(root):
        raise RunError(f"{change.path} cannot be put back, because {root} is missing or empty", Remedy.MOUNT_AND_UNDO)
