"""Moves files to the system's trash, and finds them there again.

Finding follows the freedesktop.org trash specification 1.0, for Linux and the BSDs. macOS and Windows do not say where
a file went, so there it can be put back only from the trash itself.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from retrieval.dedupe.run import transfer
from retrieval.errors import Remedy, RunError

INFO_SUFFIX = ".trashinfo"
_RECORDS_ARE_OURS = sys.platform not in ("darwin", "win32")


def send(claimed: Path, path: Path) -> Path | None:
    """Move a file to the system's trash, as one that was at `path`; return where it is there, None if that is unknown.

    The file is at `claimed`, under its own name in a folder of its own beside `path`, which is removed. Raises RunError
    if there is no trash, as on most network shares.
    """
    import send2trash

    if not _RECORDS_ARE_OURS:  # the system itself notes where a file was
        transfer.rename(claimed, path)
    try:
        send2trash.send2trash(claimed if _RECORDS_ARE_OURS else path)
    except OSError as error:
        what = f"{path} cannot be moved to the trash ({error.strerror or error})"
        raise RunError(what, Remedy.HOLD_INSTEAD) from error
    held = find(claimed)
    if held is not None:
        _correct_record(held, claimed.parent.name)
    claimed.parent.rmdir()
    return held


def find(path: Path) -> Path | None:
    """Return where in the trash the file is that was at `path`, the last one of several; None if it is not found."""
    if not _RECORDS_ARE_OURS:
        return None
    found = [(info.stat().st_mtime_ns, info) for info in _infos(path) if _held_by(info).is_file()]
    return _held_by(max(found)[1]) if found else None


def forget(held: Path) -> None:
    """Remove the trash's record of a file that has left it."""
    for path in (_info(held), _partial(_info(held))):
        path.unlink(missing_ok=True)


def _correct_record(held: Path, folder: str) -> None:
    """Leave a folder out of the path that the trash's record gives for a file."""
    info = _info(held)
    lines = info.read_bytes().splitlines(keepends=True)
    skipped = f"{quote(folder)}/".encode()
    corrected = [line.replace(skipped, b"") if line.startswith(b"Path=") else line for line in lines]
    partial = _partial(info)
    partial.write_bytes(b"".join(corrected))
    os.replace(partial, info)  # noqa: PTH105


def _info(held: Path) -> Path:
    return held.parent.parent / "info" / f"{held.name}{INFO_SUFFIX}"


def _partial(info: Path) -> Path:
    return info.with_name(f"{info.name}.partial")


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
