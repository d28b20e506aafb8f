"""The files that may be grouped: which of them take part, and what is known of each."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from retrieval.archive.shots import Shots
from retrieval.archive.suffixes import PHOTO_SUFFIXES, RAW_SUFFIXES
from retrieval.catalogue.copies import Copy
from retrieval.decode.live_photo import is_moving_part
from retrieval.dedupe.groups.keep_rules import Candidate, KeepRule, preferred_first
from retrieval.dedupe.plan.records import PlannedFile
from retrieval.manifest import Manifest
from retrieval.query.resolve import SelectedPhotos


@dataclass(frozen=True, slots=True)
class FindScope:
    """Which files take part, and which pairs of them may be in one group. Folders are absolute."""

    reference: Sequence[Path] = ()  # never touched, always kept
    within: Sequence[Path] = ()  # only files in these; if empty, all
    same_folder: bool = False  # only pairs inside one folder
    across: tuple[Path, Path] | None = None  # only pairs of one file in each; the second is a reference
    both_ways: bool = False  # the second of `across` is not a reference

    def includes(self, path: Path) -> bool:
        """Tell whether a file takes part."""
        folders = [*self.within, *self.reference] if self.within else []
        if self.across:
            folders = [*folders, *self.across]
        return not folders or any(folder in path.parents for folder in folders)

    def allows(self, first: Path, second: Path) -> bool:
        """Tell whether two files may be in one group."""
        if self.same_folder and first.parent != second.parent:
            return False
        return self.across is None or {self._side(first), self._side(second)} == set(self.across)

    def protects(self, path: Path) -> bool:
        """Tell whether a file is kept whatever the rules say."""
        if any(folder in path.parents for folder in self.reference):
            return True
        return self.across is not None and not self.both_ways and self._side(path) == self.across[1]

    def _side(self, path: Path) -> Path | None:
        """Return in which of the two folders of `across` a file is: the inner one, where one is inside the other."""
        around = [folder for folder in self.across or () if folder in path.parents]
        return max(around, key=lambda folder: len(folder.parts), default=None)


@dataclass(frozen=True, slots=True)
class GroupFile:
    """One file, as the catalogue knows it and as the rules for keepers see it."""

    copy: Copy = field(compare=False)
    candidate: Candidate = field(compare=False)
    path: Path

    @property
    def file(self) -> PlannedFile:
        """The file as the plan records it."""
        return self.candidate.file


@dataclass(slots=True)
class GroupFiles:
    """Makes files from catalogue rows. Lists each folder once, for sidecars."""

    manifest: Manifest
    scope: FindScope
    rules: tuple[KeepRule, ...]
    choice: SelectedPhotos = field(default_factory=SelectedPhotos)
    shots: Shots = field(default_factory=lambda: Shots(is_moving_part))
    known: dict[Path, GroupFile] = field(default_factory=dict)

    def from_copies(self, copies: Iterable[Copy]) -> list[GroupFile]:
        """Return the files that take part, the preferred keepers first."""
        found = []
        for copy in copies:
            path = self.manifest.path_of(copy.root, copy.relative)
            if self.scope.includes(path) and self.choice.includes(copy.row, copy.root, copy.relative):
                if path not in self.known:
                    self.known[path] = GroupFile(copy, self._candidate(copy, path), path)
                found.append(self.known[path].candidate)
        return [self.known[candidate.file.path] for candidate in preferred_first(found, self.rules)]

    def rest_of_shot(self, path: Path) -> tuple[Path, ...]:
        """Return the other files of its shot; none if its folder cannot be listed."""
        try:
            return self.shots.rest_of_shot(path)
        except OSError:
            return ()

    def _candidate(self, copy: Copy, path: Path) -> Candidate:
        rest = self.rest_of_shot(path)
        return Candidate(
            file=PlannedFile(
                path=path,
                size=copy.size,
                mtime_ns=copy.mtime_ns,
                sha256=copy.hash.hex(),
                format=copy.format,
                width=copy.width,
                height=copy.height,
                taken_at=copy.taken_at.isoformat() if copy.taken_at else None,
                protected=self.scope.protects(path),
            ),
            has_place=copy.latitude is not None,
            camera=copy.camera,
            lens=copy.lens,
            has_raw=any(other.suffix.lower() in RAW_SUFFIXES for other in rest),
            sidecars=sum(other.suffix.lower() not in PHOTO_SUFFIXES for other in rest),
        )


def without_hard_links(files: Iterable[GroupFile]) -> list[GroupFile]:
    """Leave out further names of one and the same file: removing one of them would free nothing."""
    seen: set[tuple[int, int]] = set()
    found = []
    for file in files:
        try:
            status = os.lstat(file.path)
        except OSError:
            found.append(file)  # missing now: the run will report it
            continue
        inode = (status.st_dev, status.st_ino)
        if inode not in seen:
            found.append(file)
            seen.add(inode)
    return found
