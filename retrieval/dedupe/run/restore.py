"""Puts one file back, wherever a finished, killed or half undone change has left it.

It decides by what is on the disk, so it may be repeated, also after a kill.
"""

import os
import stat
from pathlib import Path

from retrieval.dedupe.run import transfer, trash
from retrieval.dedupe.run.attributes import give
from retrieval.dedupe.run.fingerprint import holds_bytes
from retrieval.dedupe.run.journal import Journal
from retrieval.dedupe.run.records import LINKING, Change, Mode
from retrieval.errors import Remedy, RunError


def check_undoable(change: Change) -> None:
    """Raise RunError, saying why, if a finished change cannot be undone."""
    if change.mode == Mode.DELETE:
        raise RunError(f"{change.path} was deleted permanently and cannot be put back")
    if change.mode == Mode.REFLINK:
        return  # it is a separate file with its own time already
    if change.mode == Mode.HARDLINK:
        _refuse_changed(change, change.path)
        return
    held = _held(change)
    _refuse_changed(change, held)
    if os.path.lexists(change.path):
        raise _place_is_taken(change, held)


def restore(journal: Journal, change: Change) -> None:
    """Put the file of a begun change back where it was. Raises RunError, saying why, if that is impossible."""
    _clear_temporaries(journal, change)
    claimed = journal.claimed_path(change)
    if os.path.lexists(claimed):
        _return_claimed(journal, change, claimed)
    elif change.mode in (Mode.MOVE, Mode.TRASH):
        _bring_back(journal, change)
    elif change.mode == Mode.HARDLINK:
        _make_independent(journal, change)
    elif change.mode == Mode.DELETE and not os.path.lexists(change.path):
        raise RunError(f"{change.path} was deleted permanently and cannot be put back")
    if change.mode == Mode.TRASH and claimed.parent.is_dir():
        claimed.parent.rmdir()


def _held(change: Change) -> Path:
    held = change.target or trash.find(change.path)
    if held is None:
        raise RunError(f"{change.path} is in the system's trash", Remedy.PUT_BACK_FROM_TRASH)
    return held


def _refuse_changed(change: Change, path: Path) -> None:
    if not os.path.lexists(path):
        raise RunError(f"{change.path} cannot be put back, because {path} is missing", Remedy.RESTORE)
    if not holds_bytes(path, change.original):
        remedy = Remedy.SEPARATE_BY_HAND if path == change.path else Remedy.MOVE_BACK_BY_HAND
        raise RunError(f"{path} has changed since {change.path} was removed, and stays as it is", remedy)


def _place_is_taken(change: Change, held: Path) -> RunError:
    return RunError(f"another file is at {change.path} now, so this one stays in {held}", Remedy.MAKE_ROOM_AND_UNDO)


def _clear_temporaries(journal: Journal, change: Change) -> None:
    for folder in {change.path.parent, (change.target or change.path).parent}:
        temporary = journal.temporary_path(change, folder)
        if temporary.is_file() and not temporary.is_symlink():
            temporary.unlink()


def _return_claimed(journal: Journal, change: Change, claimed: Path) -> None:
    """Give a claimed file, whatever it holds now, its name again."""
    if not os.path.lexists(change.path):
        transfer.rename(claimed, change.path)
        transfer.sync_entries(change.path.parent)
    elif _is_stand_in(change):
        os.replace(claimed, change.path)  # noqa: PTH105
        transfer.sync_entries(change.path.parent)
    else:
        raise _place_is_taken(change, claimed)
    if change.target is not None and os.path.lexists(change.target):
        _remove_second(change, change.target)


def _is_stand_in(change: Change) -> bool:
    """Tell whether the file at the path is what this change put there: a placeholder, or what shares keeper's bytes."""
    if _is_empty(change.path):
        return True
    return change.mode in LINKING and holds_bytes(change.path, change.original)


def _bring_back(journal: Journal, change: Change) -> None:
    if change.target is None and _is_original(change):
        return  # it was never trashed
    held = change.target or trash.find(journal.claimed_path(change)) or trash.find(change.path)
    if held is None or not os.path.lexists(held):
        if not holds_bytes(change.path, change.original):
            raise RunError(f"{change.path} is neither where it was nor where it was moved to", Remedy.RESTORE)
        give(change.path, change.original)
        return
    if not os.path.lexists(change.path):
        _refuse_changed(change, held)
        change.path.parent.mkdir(parents=True, exist_ok=True)
        transfer.move(held, change.path, journal.temporary_path(change, change.path.parent), change.original)
    elif _is_original(change):
        _remove_second(change, held)
    elif _is_empty(change.path) and holds_bytes(held, change.original):
        transfer.move_onto_placeholder(
            held, change.path, journal.temporary_path(change, change.path.parent), change.original
        )
    else:
        raise _place_is_taken(change, held)
    give(change.path, change.original)
    if change.mode == Mode.TRASH:
        trash.forget(held)


def _is_original(change: Change) -> bool:
    """Tell a file from the placeholder that reserves its name. Of an empty file, only the time does."""
    return holds_bytes(change.path, change.original) and (
        change.original.size > 0 or change.path.lstat().st_mtime_ns == change.original.mtime_ns
    )


def _remove_second(change: Change, held: Path) -> None:
    """Remove the placeholder or the copy that a half made change has left at its target."""
    if not _is_empty(held) and not (holds_bytes(held, change.original) and holds_bytes(change.path, change.original)):
        raise RunError(f"{change.path} is in its place, and {held} is another file: both stay")
    held.unlink()
    transfer.sync_entries(held.parent)


def _is_empty(path: Path) -> bool:
    found = path.lstat()
    return stat.S_ISREG(found.st_mode) and found.st_size == 0


def _make_independent(journal: Journal, change: Change) -> None:
    """Replace a hard link by a separate file with the time and the permissions that it had."""
    _refuse_changed(change, change.path)
    found = change.path.lstat()
    separate = found.st_nlink == 1 or found.st_ino == change.original.inode  # the original may have had other links
    if separate and found.st_mtime_ns == change.original.mtime_ns and not _same_file(change.path, change.keeper):
        return  # it was never linked, or is separate again
    temporary = journal.temporary_path(change, change.path.parent)
    transfer.copy(change.path, temporary, change.original)
    os.replace(temporary, change.path)  # noqa: PTH105
    transfer.sync_entries(change.path.parent)


def _same_file(path: Path, other: Path) -> bool:
    try:
        return os.path.samestat(path.lstat(), other.lstat())
    except OSError:
        return False
