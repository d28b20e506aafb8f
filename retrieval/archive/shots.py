"""Which files are one shot and go where the photo goes: RAW and JPEG twins, sidecars, a Live Photo's video.

Names decide, but for videos: whether one shows the shot, somebody who can read it has to say. What is done with the
files is left to `apply`.
"""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from retrieval.archive.suffixes import PHOTO_SUFFIXES, RAW_SUFFIXES

# What photo tools write beside a photo: edits, ratings, voice notes, thumbnails, the moving part of a Live Photo.
SIDECAR_SUFFIXES = frozenset(
    (
        ".xmp", ".pp3", ".pp2", ".dop", ".aae", ".thm", ".wav", ".on1", ".onphoto", ".arp", ".cos", ".cosessiondb",
        ".rpp", ".nksc", ".spd", ".xmpl", ".vrd", ".dr4", ".nrx", ".mov",
    )
)  # fmt: skip
VIDEO_SUFFIXES = frozenset((".mov",))
# These stand for a photo only where its full name is part of theirs: "IMG_1.jpg.json".
FULL_NAME_SUFFIXES = SIDECAR_SUFFIXES | {".json", ".txt", ".yml", ".yaml", ".md5", ".sha256"}
_VERSION = re.compile(r"_\d\d+(?=\.[^.]+$)")  # darktable: "IMG_1_01.CR2.xmp" is a second edit of IMG_1.CR2


def rest_of_shot(path: Path) -> tuple[Path, ...]:
    """Return the other files of this file's shot, in the order of their names.

    A RAW and the pictures of the same stem are one shot; two pictures (`IMG_1.jpg`, `IMG_1.png`) or two RAWs alone are
    not. A sidecar with a photo's full name belongs to that photo. One with the stem alone belongs to the shot of that
    stem; where several shots share the stem it stays, until one of them is left. Letters' case makes no difference.
    Links and folders are never part of a shot. Raises OSError where the folder cannot be listed.
    """
    return Shots().rest_of_shot(path)


class Shots:
    """Answers the same for many files; lists each folder once, and asks once about each photo and video.

    `is_moving_part` tells whether a video shows the shot of a photo; without it, the name decides.
    """

    def __init__(self, is_moving_part: Callable[[Path, Path], bool] = lambda _photo, _video: True) -> None:
        self._folders: dict[Path, _Folder] = {}
        self._is_moving_part = cache(is_moving_part)

    def rest_of_shot(self, path: Path) -> tuple[Path, ...]:
        """See the function of that name."""
        if path.parent not in self._folders:
            self._folders[path.parent] = _Folder.listed(path.parent)
        names = sorted(self._folders[path.parent].rest_of(path.name))
        photos = [path.parent / name for name in (path.name, *names) if _suffix(name) in PHOTO_SUFFIXES]
        rest = (path.parent / name for name in names)
        return tuple(other for other in rest if _suffix(other.name) not in VIDEO_SUFFIXES or self._shows(photos, other))

    def _shows(self, photos: Iterable[Path], video: Path) -> bool:
        return any(self._is_moving_part(photo, video) for photo in photos)

    def forget(self, paths: Iterable[Path]) -> None:
        """Take note that files have left."""
        for path in paths:
            if path.parent in self._folders:
                self._folders[path.parent].remove(path.name)


@dataclass(slots=True)
class _Folder:
    """The names in one folder, by what they are."""

    photos: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # by stem, folded
    by_stem: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # sidecars
    by_name: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # sidecars, by the photo's full name

    @classmethod
    def listed(cls, path: Path) -> "_Folder":
        folder = cls()
        with os.scandir(path) as entries:
            names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
        others = []
        for name in names:
            if _suffix(name) in PHOTO_SUFFIXES:
                folder.photos[_stem(name)].add(name)
            else:
                others.append(name)
        whole = {photo.casefold() for photos in folder.photos.values() for photo in photos}
        for name in others:
            folder._add_sidecar(name, whole)
        return folder

    def _add_sidecar(self, name: str, photos: set[str]) -> None:
        suffix = _suffix(name)
        if suffix in FULL_NAME_SUFFIXES and (photo := _photo_of(name, photos)):
            self.by_name[photo].add(name)
        elif suffix in SIDECAR_SUFFIXES:
            self.by_stem[_stem(name)].add(name)

    def rest_of(self, name: str) -> set[str]:
        twins = self.photos.get(_stem(name), set()) | {name}
        shot = twins if _is_shot(twins) else {name}
        rest = set(shot)
        if shot == twins:  # else another photo needs the sidecars of the stem as well
            rest |= self.by_stem.get(_stem(name), set())
        for photo in shot:
            sidecars = self.by_name.get(photo.casefold(), set())
            spellings = {twin for twin in twins if twin.casefold() == photo.casefold()}
            rest |= sidecars if len(spellings) == 1 else {one for one in sidecars if one.startswith(f"{photo}.")}
        return rest - {name}

    def remove(self, name: str) -> None:
        for names in (self.photos, self.by_stem):
            names.get(_stem(name), set()).discard(name)
        for sidecars in self.by_name.values() if _suffix(name) in FULL_NAME_SUFFIXES else ():
            sidecars.discard(name)


def _is_shot(twins: set[str]) -> bool:
    """One photo, or RAWs and pictures together."""
    raws = sum(_suffix(twin) in RAW_SUFFIXES for twin in twins)
    return len(twins) == 1 or 0 < raws < len(twins)


def _photo_of(sidecar: str, photos: set[str]) -> str | None:
    """Return the photo whose full name begins the sidecar's, folded; the longest if there are several."""
    begin = sidecar.casefold().rpartition(".")[0]
    while begin:
        for photo in (begin, _VERSION.sub("", begin)):
            if photo in photos:
                return photo
        begin = begin.rpartition(".")[0]
    return None


def _stem(name: str) -> str:
    return os.path.splitext(name)[0].casefold()  # noqa: PTH122 - a folder can have 50,000 names


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - the same
