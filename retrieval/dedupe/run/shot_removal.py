"""Whole shots to remove: a photo with its RAW or JPEG twin and sidecars, and where each of these files goes."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from retrieval.archive.shots import Shots
from retrieval.archive.suffixes import PHOTO_SUFFIXES, RAW_SUFFIXES
from retrieval.dedupe.plan.records import Group, Member, PlannedFile
from retrieval.dedupe.run.claim import PlannedChange
from retrieval.dedupe.run.fingerprint import Fingerprint, fingerprint
from retrieval.dedupe.run.records import LINKING, ApplyOptions, Change, Mode
from retrieval.errors import RunError
from retrieval.manifest import Manifest

HOLDING_NAME = ".retrieval-held"  # hidden, so that indexing skips it
NAME_BYTES = 255  # the longest file name that common file systems take

Removals = Mapping[Path, tuple[Group, Member]]  # what a plan removes, by path


@dataclass(frozen=True, slots=True)
class ShotRemoval:
    """A shot to remove: each of its photos matches a keeper elsewhere."""

    photos: tuple[tuple[Group, Member], ...]
    sidecars: tuple[Path, ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        """All of its files."""
        return (*(member.file.path for _, member in self.photos), *self.sidecars)


def gather_shot(group: Group, member: Member, removals: Removals, shots: Shots, options: ApplyOptions) -> ShotRemoval:
    """Return the shot of a member as it is on the disk now. Raises RunError if part of it has no copy that stays.

    For links to the keeper it is the member alone, because every name stays in its place.
    """
    if options.mode in LINKING:
        return ShotRemoval(((group, member),))
    path = member.file.path
    rest = shots.rest_of_shot(path)
    twins = [other for other in rest if other.suffix.lower() in PHOTO_SUFFIXES]
    for twin in twins:
        if twin not in removals:
            kind = "RAW" if twin.suffix.lower() in RAW_SUFFIXES else "twin"
            raise RunError(f"{path} stays, because its {kind} {twin.name} has no copy that stays")
    photos = ((group, member), *(removals[twin] for twin in twins))
    return ShotRemoval(photos, tuple(other for other in rest if other not in twins))


def plan_changes(
    shot: ShotRemoval,
    checked: Mapping[Path, Fingerprint],
    last: Change | None,
    holding: Path,
    manifest: Manifest,
    shots: Shots,
    options: ApplyOptions,
) -> list[PlannedChange]:
    """Return the changes that remove a shot. Raises RunError for a sidecar that cannot be read.

    `checked` has the photos as they were when their group was checked, `last` is the last change of the run so far.
    Sidecars go first, so that a photo is never without them.
    """
    main = shot.photos[0][0]
    folder = target_folder(shot, holding, manifest, options)
    held = choose_targets(shot.paths, shot.photos[0][1].file.path.stem, folder)
    number = last.number if last else 0
    shot_number = last.shot + 1 if last else 1
    planned: list[PlannedChange] = []

    def add(group: Group, path: Path, was: Fingerprint, mode: Mode, keeper: PlannedFile | None) -> None:
        change = Change(
            number=number + len(planned) + 1,
            shot=shot_number,
            shot_size=len(shot.paths),
            group=group.number,
            mode=mode,
            path=path,
            target=held[path] if mode == Mode.MOVE else None,
            keeper=group.keeper.path if keeper is None else keeper.path,
            is_photo=path not in shot.sidecars,
            original=was,
        )
        planned.append(PlannedChange(change, keeper))

    for path in shot.sidecars:
        was = fingerprint(path)
        copy = _copy_of_sidecar(path, was, shot, shots) if options.mode == Mode.DELETE else None
        mode = Mode.MOVE if options.mode == Mode.DELETE and copy is None else options.mode
        add(main, path, was, mode, copy)
    for group, member in shot.photos:
        add(group, member.file.path, checked[member.file.path], options.mode, group.keeper)
    return planned


def target_folder(shot: ShotRemoval, holding: Path, manifest: Manifest, options: ApplyOptions) -> Path:
    """Return the folder to hold a shot in: its relative path, below the holding folder given or that of its root.

    `holding` is the folder of this run, relative to a root.
    """
    folder = shot.paths[0].parent
    found = manifest.locate(folder)
    if found is None:
        raise RunError(f"{folder} is not in a folder of this index")
    root, relative = found
    if options.to is not None:
        return options.to / root / relative
    return manifest.roots[root] / holding / relative


def choose_targets(paths: tuple[Path, ...], stem: str, folder: Path) -> dict[Path, Path]:
    """Return a free path in a folder for each file of a shot. If one name is taken, all get the same number."""
    for number in count(1):
        chosen = {path: folder / _numbered(path.name, stem, number) for path in paths}
        if not any(os.path.lexists(target) for target in chosen.values()):
            return chosen
    raise AssertionError("unreachable")


def _numbered(name: str, stem: str, number: int) -> str:
    """Add a number to the stem of the shot, so that its files still belong together."""
    if number == 1:
        return name
    head, tail, mark = name[: len(stem)], name[len(stem) :], f" ({number})"
    while head and len(os.fsencode(f"{head}{mark}{tail}")) > NAME_BYTES:
        head = head[:-1]
    return f"{head}{mark}{tail}"


def _copy_of_sidecar(path: Path, was: Fingerprint, shot: ShotRemoval, shots: Shots) -> PlannedFile | None:
    """Return a sidecar of a keeper with the same bytes: without one, a sidecar is not deleted with its photo."""
    for group, _ in shot.photos:
        for other in shots.rest_of_shot(group.keeper.path):
            if other.suffix.lower() == path.suffix.lower():
                found = fingerprint(other)
                if (found.size, found.sha256) == (was.size, was.sha256):
                    return PlannedFile(other, found.size, found.mtime_ns, found.sha256)
    return None
