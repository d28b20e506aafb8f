"""Puts the file of one step back, from wherever a finished, killed or half undone step has left it.

Every look at the disk decides anew, so doing it twice, or once more after a kill, is harmless.
"""

import os
import stat
from pathlib import Path

from retrieval.dedupe.run import transfer, trash
from retrieval.dedupe.run.journal import Journal
from retrieval.dedupe.run.records import Mode, Step
from retrieval.dedupe.run.transfer import holds
from retrieval.errors import RunError


def check(step: Step) -> None:
    """Raise RunError, with the reason, if a finished step cannot be undone; changes nothing."""
    if step.mode == Mode.DELETE:
        raise RunError(f"{step.path} was deleted permanently: nothing can bring it back")
    if step.mode == Mode.REFLINK:
        return  # it is a file of its own already, with its own bytes and time
    if step.mode == Mode.HARDLINK:
        _refuse_changed(step, step.path)
        return
    held = _held(step)
    _refuse_changed(step, held)
    if os.path.lexists(step.path):
        raise RunError(f"there is something at {step.path} again: the file stays in {held}")


def restore(journal: Journal, step: Step) -> None:
    """Put the file of a step in hand back where it was; raise RunError, with the reason, where that cannot be done."""
    _clear_temporaries(journal, step)
    if step.mode in (Mode.MOVE, Mode.TRASH):
        _bring_back(journal, step)
    elif step.mode == Mode.HARDLINK:
        _make_independent(journal, step)
    elif step.mode == Mode.DELETE and not os.path.lexists(step.path):
        raise RunError(f"{step.path} was deleted permanently: nothing can bring it back")


def _held(step: Step) -> Path:
    held = step.to or trash.find(step.path)
    if held is None:
        raise RunError(f"{step.path} is in the system's trash: only that can put it back")
    return held


def _refuse_changed(step: Step, path: Path) -> None:
    if not os.path.lexists(path):
        raise RunError(f"{path} is no longer there: {step.path} cannot be put back")
    if not holds(path, step.was):
        raise RunError(f"{path} has changed since: it stays as it is")


def _clear_temporaries(journal: Journal, step: Step) -> None:
    for folder in {step.path.parent, (step.to or step.path).parent}:
        temporary = journal.temporary(step, folder)
        if temporary.is_file() and not temporary.is_symlink():
            temporary.unlink()


def _bring_back(journal: Journal, step: Step) -> None:
    if step.to is None and _is_original(step):
        return  # it never went into the trash
    held = step.to or trash.find(step.path)
    if held is None or not os.path.lexists(held):
        if not holds(step.path, step.was):
            raise RunError(f"{step.path} is neither where it was nor where it was moved to")
        return
    if not os.path.lexists(step.path):
        _refuse_changed(step, held)
        step.path.parent.mkdir(parents=True, exist_ok=True)
        transfer.move(held, step.path, journal.temporary(step, step.path.parent), step.was)
    elif _is_original(step):
        _drop_second(step, held)
    elif _is_empty(step.path) and holds(held, step.was):
        transfer.move_onto_placeholder(held, step.path, journal.temporary(step, step.path.parent), step.was)
    else:
        raise RunError(f"there is something else at {step.path} now: its file stays in {held}")
    if step.mode == Mode.TRASH:
        trash.forget(held)


def _is_original(step: Step) -> bool:
    """Tell a file from the placeholder that reserves its name; of an empty file only the time can."""
    return holds(step.path, step.was) and (step.was.size > 0 or step.path.lstat().st_mtime_ns == step.was.mtime_ns)


def _drop_second(step: Step, held: Path) -> None:
    """Both places are taken while a step is in hand: the other one is our placeholder, or our copy."""
    if not _is_empty(held) and not holds(held, step.was):
        raise RunError(f"{step.path} is in its place, and something else at {held}: both stay")
    held.unlink()
    transfer.sync_entries(held.parent)


def _is_empty(path: Path) -> bool:
    found = path.lstat()
    return stat.S_ISREG(found.st_mode) and found.st_size == 0


def _make_independent(journal: Journal, step: Step) -> None:
    """Give a hard link bytes of its own again, with the time and the permissions that it had."""
    _refuse_changed(step, step.path)
    found = step.path.lstat()
    apart = found.st_nlink == 1 or found.st_ino == step.was.inode  # the original may have had links of its own
    if apart and found.st_mtime_ns == step.was.mtime_ns and not _same_file(step.path, step.keeper):
        return  # it never became a link, or is none any longer
    temporary = journal.temporary(step, step.path.parent)
    transfer.copy(step.path, temporary, step.was)
    os.replace(temporary, step.path)  # noqa: PTH105
    transfer.sync_entries(step.path.parent)


def _same_file(path: Path, other: Path) -> bool:
    try:
        return os.path.samestat(path.lstat(), other.lstat())
    except OSError:
        return False
