"""Clears up what a killed run, or a killed undo, has left half done; each journal tells how far it was."""

import os

from retrieval.dedupe.run import follow
from retrieval.dedupe.run.checks import is_mounted
from retrieval.dedupe.run.journal import Journal, JournalError
from retrieval.dedupe.run.records import Mode, State, Step
from retrieval.dedupe.run.report import RunReport
from retrieval.dedupe.run.restore import restore
from retrieval.errors import RunError
from retrieval.store import Store


def recover(store: Store, journal: Journal, report: RunReport) -> None:
    """Take back the shot that a kill left half done, and finish the file that was just being put back.

    What cannot be put back is reported and stays as it is. The caller holds the writer's lock.
    """
    roll_back(store, journal, report)
    for step in journal.in_state(State.UNDOING):
        put_back(store, journal, step, State.UNDONE, report)


def roll_back(store: Store, journal: Journal, report: RunReport) -> None:
    """Take the open steps back, the last first, so that no shot is left in two places.

    What is deleted stays deleted; where that was the whole shot, its sidecars stay where they are held.
    """
    for step in journal.open_steps():
        if step.mode == Mode.DELETE and not os.path.lexists(step.path):
            follow.forwards(store, step)
            journal.done(step.number)
    for step in journal.open_steps():
        put_back(store, journal, step, State.VOID, report)


def put_back(store: Store, journal: Journal, step: Step, state: State, report: RunReport) -> bool:
    """Put one file back and say so in the journal, as this state; report it and return False where that fails."""
    try:
        refuse_unmounted(store, step)
        restore(journal, step)
    except JournalError:
        raise
    except (RunError, OSError) as error:
        report.skip(step.group, step.path, reason(error))
        return False
    follow.backwards(store, step)
    journal.mark(step.number, state)
    return True


def refuse_unmounted(store: Store, step: Step) -> None:
    """Raise RunError where the disk of a file's root is not there: nothing must be written into its mount point."""
    found = store.manifest.locate(step.path)
    root = store.manifest.roots[found[0]] if found else step.path.parent
    if not is_mounted(root):
        raise RunError(f"the folder {root} is not there: mount its disk, then undo again to put {step.path} back")


def reason(error: RunError | OSError) -> str:
    """Say in one line why a file was left."""
    if isinstance(error, OSError):
        where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        return f"{where}{error.strerror or error}"
    return str(error)
