"""Moves files to the system's trash, and finds them there again.

Finding follows the freedesktop.org trash specification 1.0, for Linux and the BSDs. macOS and Windows do not say where
a file went, so there it can be put back only from the trash itself.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes

from retrieval.errors import Remedy, RunError

INFO_SUFFIX = ".trashinfo"


def send(path: Path) -> None:
    """Move a file to the system's trash. Raises RunError if there is none, as on most network shares."""
    import send2trash

    try:
        send2trash.send2trash(path)
    except OSError as error:
        what = f"{path} cannot be moved to the trash ({error.strerror or error})"
        raise RunError(what, Remedy.HOLD_INSTEAD) from error


def find(path: Path) -> Path | None:
    """Return where in the trash the file is that was at `path`, the last one of several; None if it is not found."""
    if sys.platform in ("darwin", "win32"):
        return None
    found = [(info.stat().st_mtime_ns, info) for info in _infos(path) if _held_by(info).is_file()]
    return _held_by(max(found)[1]) if found else None


def forget(held: Path) -> None:
    """Remove the trash's record of a file that has left it."""
    info = held.parent.parent / "info" / f"{held.name}{INFO_SUFFIX}"
    info.unlink(missing_ok=True)


def _infos(path: Path) -> Iterator[Path]:
    """Yield the trash's records of files that were at `path`."""
    for trash, top in _trashes(path):
        try:
            entries = [entry.name for entry in os.scandir(trash / "info")]
        except OSError:
            continue
        for name in entries:
            # A second file of that name has a number after its stem.
            if name.startswith(path.stem) and name.endswith(INFO_SUFFIX):
                info = trash / "info" / name
                if _original(info, top) == path:
                    yield info


def _trashes(path: Path) -> Iterator[tuple[Path, Path]]:
    """Yield each trash that may hold the file, and the folder that its relative paths start from."""
    home = Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser()
    yield home / "Trash", home
    mount = path.parent
    while not mount.is_mount() and mount != mount.parent:
        mount = mount.parent
    yield mount / ".Trash" / str(os.getuid()), mount
    yield mount / f".Trash-{os.getuid()}", mount


def _original(info: Path, top: Path) -> Path | None:
    try:
        lines = info.read_bytes().splitlines()
    except OSError:
        return None
    quoted = next((line[5:] for line in lines if line.startswith(b"Path=")), None)
    return None if quoted is None else Path(os.path.normpath(top / os.fsdecode(unquote_to_bytes(quoted))))


def _held_by(info: Path) -> Path:
    return info.parent.parent / "files" / info.name.removesuffix(INFO_SUFFIX)
