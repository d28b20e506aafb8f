"""Recovers from a killed run, or a killed undo: rolls back the shot that it left half changed."""

import contextlib
import os

from retrieval.archive.mounts import is_mount
from retrieval.catalogue.criteria import Folder
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
    try:
        _roll_back(store, journal, report)
    except BaseException:
        return_files(journal)
        raise


def return_files(journal: Journal) -> None:
    """Put the files of incomplete changes back where nothing can be recorded of it: the next run does that.

    For a full disk of the index, and for a program that is about to end: no file stays hidden under another name.
    """
    for change in journal.incomplete_changes():
        with contextlib.suppress(RunError, OSError):
            restore(journal, change)


def _roll_back(store: Store, journal: Journal, report: RunReport) -> None:
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
        refuse_unmounted(store, journal, change)
        restore(journal, change)
    except JournalError:
        raise
    except (RunError, OSError) as error:
        report.skip(change.group, change.path, error)
        return False
    catalogue_updates.record_return(store, change)
    journal.set_state(change.number, state)
    return True


def refuse_unmounted(store: Store, journal: Journal, change: Change) -> None:
    """Raise RunError if the disk of a file is not mounted: nothing may be written into its mount point."""
    manifest, found = store.manifest, store.manifest.locate(change.path)
    root = manifest.roots[found[0]] if found else change.path.parent
    if not is_mounted(root) and not (found and _was_emptied(store, journal, found[0])):
        raise RunError(f"{change.path} cannot be put back, because {root} is missing or empty", Remedy.MOUNT_AND_UNDO)
    for folder in manifest.mounts_around(*found) if found else ():
        if not is_mount(folder):
            what = f"{change.path} cannot be put back, because no disk is mounted on {folder}"
            raise RunError(what, Remedy.MOUNT_AND_UNDO)


def _was_emptied(store: Store, journal: Journal, name: str) -> bool:
    """Tell whether an empty root is one that runs have emptied, not the mount point of a missing disk."""
    root = store.manifest.roots[name]
    was_plain = name in journal.header.plain_roots and journal.header.roots[name] == str(root)
    is_there = root.is_dir() and (was_plain or is_mount(root))
    return is_there and not store.catalogue.photos.count_in(Folder(name))
