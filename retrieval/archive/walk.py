"""Walks a folder of photos: which files count, and their size and time. Reads no file and writes nothing."""

import fnmatch
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from retrieval.archive.mounts import DeviceOf, device_of
from retrieval.archive.suffixes import PHOTO_SUFFIXES
from retrieval.errors import ArchiveError, Remedy
from retrieval.records import Failure

# Folders that operating systems, network disks and photo tools keep for themselves: thumbnails, trash, resource forks.
SKIPPED_FOLDERS = frozenset(
    name.lower()
    for name in (
        "@eaDir", "#recycle", "@Recycle", "$RECYCLE.BIN", "RECYCLER", "RECYCLED", "System Volume Information",
        "lost+found", "Trash", "__MACOSX", "@Recently-Snapshot", "#snapshot",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """A photo file as the folder listing shows it; its content is not read yet."""

    relative: str  # to the root, "/" between the parts; bytes that are no UTF-8 as surrogate escapes
    size: int  # bytes
    mtime_ns: int


@dataclass(slots=True)
class Walk:
    """One pass over a root, or over one folder in it; iterate it once, then read what it counted."""

    root: Path
    start: Path  # the root itself, or a folder inside it
    exclude: Callable[[str], bool] = lambda _relative: False
    suffixes: Collection[str] = PHOTO_SUFFIXES
    other_roots: frozenset[str] = frozenset()  # nested roots of the same index, walked on their own
    device_of: DeviceOf = device_of
    photos: int = 0
    ignored: Counter[str] = field(default_factory=Counter)  # files of other kinds, by suffix
    links: int = 0
    unreadable: list[Failure] = field(default_factory=list)  # folders that could not be listed
    mounts: list[str] = field(default_factory=list)  # folders inside the root that a disk is mounted on; relative

    def __iter__(self) -> Iterator[Seen]:
        """Yield the photos, each folder's files before its subfolders, names in byte order.

        A folder that cannot be listed is noted in `unreadable` and the walk goes on; at the start it raises
        ArchiveError.
        """
        start = relative_to(self.start, self.root)
        folders = [(start, self._device(self.start.parent) if start else None)]
        while folders:
            folder, around = folders.pop()
            path = self.root / folder
            device = self._device(path)
            if device != around and device is not None and around is not None:
                self.mounts.append(folder)
            subfolders: list[str] = []
            for entry in self._list(path):
                yield from self._visit(entry, f"{folder}/{entry.name}" if folder else entry.name, subfolders)
            folders.extend((subfolder, device) for subfolder in reversed(subfolders))

    def _device(self, path: Path) -> int | None:
        try:
            return self.device_of(path)
        except OSError:  # listing it tells what is wrong
            return None

    def _list(self, path: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(path) as listing:
                return sorted(listing, key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            if path == self.start:
                raise ArchiveError(f"cannot read the folder {path}: {error.strerror}") from error
            self.unreadable.append(Failure(path, "unreadable", f"the folder cannot be read: {error.strerror}"))
            return []

    def _visit(self, entry: os.DirEntry[str], relative: str, subfolders: list[str]) -> Iterator[Seen]:
        if entry.name.startswith(".") or entry.name.lower() in SKIPPED_FOLDERS or self.exclude(relative):
            return
        if entry.is_symlink():
            self.links += 1  # following links counts photos twice and can walk in circles
        elif entry.is_dir():
            if entry.path not in self.other_roots:
                subfolders.append(relative)
        else:
            yield from self._photo(entry, relative)

    def _photo(self, entry: os.DirEntry[str], relative: str) -> Iterator[Seen]:
        suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 - a million Path objects cost seconds
        try:
            facts = entry.stat(follow_symlinks=False)
        except OSError:  # it vanished since the listing, or its disk has: reading it will tell which
            facts = None
        if suffix not in self.suffixes or (facts and not stat.S_ISREG(facts.st_mode)):
            self.ignored[suffix] += 1  # opening a pipe or a device called .jpg could wait for ever
            return
        self.photos += 1
        yield Seen(relative, facts.st_size, facts.st_mtime_ns) if facts else Seen(relative, -1, -1)


def excluder(patterns: Collection[str]) -> Callable[[str], bool]:
    """Make a test for paths relative to the root from glob patterns.

    A pattern without "/" matches any one name on the path ("*_edited.jpg", "Exports"); one with "/" matches the
    whole relative path ("2019/*/raw/*"). What is below an excluded folder is excluded with it.
    """
    stripped = [pattern.strip("/") for pattern in patterns]
    names = [re.compile(fnmatch.translate(pattern)) for pattern in stripped if "/" not in pattern]
    paths = [re.compile(fnmatch.translate(pattern)) for pattern in stripped if "/" in pattern]
    # The walk asks for every folder on the way down, so only the last name needs testing here.
    return lambda relative: (
        any(name.match(relative.rpartition("/")[2]) for name in names) or any(path.match(relative) for path in paths)
    )


def relative_to(path: Path, root: Path) -> str:
    """Return `path` relative to `root` as the catalogue spells it: "/" between the parts, "" for the root itself."""
    return "" if path == root else path.relative_to(root).as_posix()


def check_root(path: Path) -> Path:
    """Return the absolute path of a folder of photos, links resolved; raise ArchiveError where it is none."""
    resolved = path.expanduser().resolve()
    if not resolved.exists():
        raise ArchiveError(f"there is no folder {path}", Remedy.CHECK_PATH)
    if not resolved.is_dir():
        raise ArchiveError(f"{path} is a file, not a folder: give the folder that holds the photos")
    return resolved
