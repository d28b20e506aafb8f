"""Removes whole shots: gathers a photo with its RAW or JPEG twin and sidecars, and plans where each file goes."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from retrieval.archive.shots import Shots
from retrieval.archive.suffixes import PHOTO_SUFFIXES, RAW_SUFFIXES
from retrieval.dedupe.plan.records import Group, Member
from retrieval.dedupe.run.checks import check_pair
from retrieval.dedupe.run.records import LINKING, ApplyOptions, Change, Mode
from retrieval.dedupe.run.transfer import Fingerprint, fingerprint
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
    shot: ShotRemoval, last: Change | None, holding: Path, manifest: Manifest, shots: Shots, options: ApplyOptions
) -> list[Change]:
    """Read every file of a shot again, and return the changes. Raises RunError if a file is not what the plan says.

    `last` is the last change of the run so far. Sidecars go first, so that a photo is never without them.
    """
    main = shot.photos[0][0]
    checked = [(group, member.file.path, check_pair(group, member, options)) for group, member in shot.photos]
    sidecars = [(main, path, fingerprint(path)) for path in shot.sidecars]
    modes = [_sidecar_mode(path, was, shot, shots, options) for _, path, was in sidecars]
    modes += [options.mode] * len(checked)
    held = choose_targets(shot.paths, shot.photos[0][1].file.path.stem, target_folder(shot, holding, manifest, options))
    number = last.number if last else 0
    shot_number = last.shot + 1 if last else 1
    return [
        Change(
            number=number + place,
            shot=shot_number,
            shot_size=len(modes),
            group=group.number,
            mode=mode,
            path=path,
            target=held[path] if mode == Mode.MOVE else None,
            keeper=group.keeper.path,
            is_photo=place > len(sidecars),
            original=was,
        )
        for place, ((group, path, was), mode) in enumerate(zip(sidecars + checked, modes, strict=True), start=1)
    ]


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


def _sidecar_mode(path: Path, was: Fingerprint, shot: ShotRemoval, shots: Shots, options: ApplyOptions) -> Mode:
    """Return how to remove a sidecar. With deleted photos, it is deleted only if a keeper has the same sidecar."""
    if options.mode != Mode.DELETE:
        return options.mode
    copies = (other for group, _ in shot.photos for other in shots.rest_of_shot(group.keeper.path))
    same = any(other.suffix.lower() == path.suffix.lower() and _has(other, was) for other in copies)
    return Mode.DELETE if same else Mode.MOVE


def _has(path: Path, was: Fingerprint) -> bool:
    found = fingerprint(path)
    return (found.size, found.sha256) == (was.size, was.sha256)
