"""The system's trash: sends a file there and, where the desktop's trash can be read, finds it again.

Finding follows the freedesktop.org trash specification 1.0, which Linux and the BSDs share; macOS and Windows do not
tell where a file went, and there only the system's own trash brings it back.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes

from retrieval.errors import RunError

INFO_SUFFIX = ".trashinfo"


def send(path: Path) -> None:
    """Move a file to the system's trash; raise RunError where there is none, as on most network shares."""
    import send2trash

    try:
        send2trash.send2trash(path)
    except OSError as error:
        raise RunError(
            f"{path} cannot be put into the trash ({error.strerror or error}): move it to a folder with --to DIR"
        ) from error


def find(path: Path) -> Path | None:
    """Return where in the trash the file lies that was last at `path`; None if it cannot be found, or not here."""
    if sys.platform in ("darwin", "win32"):
        return None
    found = [(info.stat().st_mtime_ns, info) for info in _infos(path) if _held_by(info).is_file()]
    return _held_by(max(found)[1]) if found else None


def forget(held: Path) -> None:
    """Remove the trash's note on a file that has left it."""
    info = held.parent.parent / "info" / f"{held.name}{INFO_SUFFIX}"
    info.unlink(missing_ok=True)


def _infos(path: Path) -> Iterator[Path]:
    """The notes on files that were at `path`."""
    for trash, top in _trashes(path):
        try:
            entries = [entry.name for entry in os.scandir(trash / "info")]
        except OSError:
            continue
        for name in entries:
            # A second file of the same name gets a number behind its stem.
            if name.startswith(path.stem) and name.endswith(INFO_SUFFIX):
                info = trash / "info" / name
                if _original(info, top) == path:
                    yield info


def _trashes(path: Path) -> Iterator[tuple[Path, Path]]:
    """Each trash that may hold the file, and the folder that its relative paths start from."""
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
