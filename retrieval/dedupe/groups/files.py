"""Photo files as candidates of groups: what is known of each, and which two may stand in one group."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from retrieval.archive.shots import Shots
from retrieval.archive.suffixes import PHOTO_SUFFIXES, RAW_SUFFIXES
from retrieval.catalogue.matches import Copy
from retrieval.dedupe.groups.keep_rules import Candidate, KeepRule, ordered
from retrieval.dedupe.plan.records import PlannedFile
from retrieval.manifest import Manifest
from retrieval.query.resolve import SelectedPhotos


@dataclass(frozen=True, slots=True)
class Scope:
    """Which files count, and which pairs of them. Folders are absolute."""

    reference: Sequence[Path] = ()  # never touched, always kept
    within: Sequence[Path] = ()  # only files in these; none: all
    same_folder: bool = False
    across: tuple[Path, Path] | None = None

    def counts(self, path: Path) -> bool:
        """Tell whether a file is to be looked at."""
        folders = [*self.within, *self.reference] if self.within else []
        if self.across:
            folders = [*folders, *self.across]
        return not folders or any(folder in path.parents for folder in folders)

    def joins(self, first: Path, second: Path) -> bool:
        """Tell whether two files may be told duplicates of each other."""
        if self.same_folder and first.parent != second.parent:
            return False
        if self.across is None:
            return True
        one, other = self.across
        return (one in first.parents and other in second.parents) or (other in first.parents and one in second.parents)


@dataclass(frozen=True, slots=True)
class Node:
    """One file, as the catalogue and the keeper's rules know it."""

    copy: Copy = field(compare=False)
    candidate: Candidate = field(compare=False)
    path: Path

    @property
    def file(self) -> PlannedFile:
        """The file as the plan has it."""
        return self.candidate.file


@dataclass(slots=True)
class Files:
    """Makes nodes of catalogue rows; lists each folder for sidecars once."""

    manifest: Manifest
    scope: Scope
    rules: tuple[KeepRule, ...]
    choice: SelectedPhotos = field(default_factory=SelectedPhotos)
    shots: Shots = field(default_factory=Shots)
    known: dict[Path, Node] = field(default_factory=dict)

    def nodes(self, copies: Iterable[Copy]) -> list[Node]:
        """The files among these that count, those first that ought to be kept."""
        found = []
        for copy in copies:
            path = self.manifest.path_of(copy.root, copy.relative)
            if self.scope.counts(path) and self.choice.includes(copy.row, copy.root, copy.relative):
                if path not in self.known:
                    self.known[path] = Node(copy, self._candidate(copy, path), path)
                found.append(self.known[path].candidate)
        return [self.known[candidate.file.path] for candidate in ordered(found, self.rules)]

    def rest_of_shot(self, path: Path) -> tuple[Path, ...]:
        """The other files of its shot; none where its folder is not there."""
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
                protected=any(folder in path.parents for folder in self.scope.reference),
            ),
            has_place=copy.latitude is not None,
            camera=copy.camera,
            lens=copy.lens,
            has_raw=any(other.suffix.lower() in RAW_SUFFIXES for other in rest),
            sidecars=sum(other.suffix.lower() not in PHOTO_SUFFIXES for other in rest),
        )


def distinct(nodes: Iterable[Node]) -> list[Node]:
    """Without further names of one and the same file: to remove one of those would win nothing."""
    seen: set[tuple[int, int]] = set()
    found = []
    for node in nodes:
        try:
            status = os.lstat(node.path)
        except OSError:
            found.append(node)  # not there now; `apply` will say so
            continue
        inode = (status.st_dev, status.st_ino)
        if inode not in seen:
            found.append(node)
            seen.add(inode)
    return found
