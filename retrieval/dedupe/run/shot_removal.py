"""What is changed as one: a photo to be removed with the rest of its shot, and where each of its files goes."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from retrieval.archive.shots import Shots
from retrieval.archive.suffixes import PHOTO_SUFFIXES, RAW_SUFFIXES
from retrieval.dedupe.plan.records import Group, Member
from retrieval.dedupe.run.checks import ApplyOptions, check_pair
from retrieval.dedupe.run.records import LINKING, Mode, Step
from retrieval.dedupe.run.transfer import Imprint, imprint
from retrieval.errors import RunError
from retrieval.manifest import Manifest

HOLDING_NAME = ".retrieval-held"  # hidden: indexing passes it by
NAME_BYTES = 255  # the longest file name that common file systems take

Removals = Mapping[Path, tuple[Group, Member]]  # what the plan wants to be removed, by path


@dataclass(frozen=True, slots=True)
class Unit:
    """A whole shot that may go: each of its photos matches a keeper elsewhere."""

    photos: tuple[tuple[Group, Member], ...]
    sidecars: tuple[Path, ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        """All of its files."""
        return (*(member.file.path for _, member in self.photos), *self.sidecars)


def make_unit(group: Group, member: Member, removals: Removals, shots: Shots, options: ApplyOptions) -> Unit:
    """Gather a member's shot as it is on the disk now; raise RunError if part of it has no copy that stays.

    A link to the keeper leaves every name in its place, so there the member is alone.
    """
    if options.mode in LINKING:
        return Unit(((group, member),))
    path = member.file.path
    rest = shots.rest_of_shot(path)
    twins = [other for other in rest if other.suffix.lower() in PHOTO_SUFFIXES]
    for twin in twins:
        if twin not in removals:
            kind = "RAW" if twin.suffix.lower() in RAW_SUFFIXES else "twin"
            raise RunError(f"{path} stays: its {kind} {twin.name} has no copy that stays, and a shot moves as one")
    photos = ((group, member), *(removals[twin] for twin in twins))
    return Unit(photos, tuple(other for other in rest if other not in twins))


def plan_steps(
    unit: Unit, last: Step | None, holding: Path, manifest: Manifest, shots: Shots, options: ApplyOptions
) -> list[Step]:
    """Read every file of a unit again, and say what becomes of each; raise RunError if one is not what the plan says.

    `last` is the last step of the run so far. Sidecars go first: while the photos are in place, nothing is lost.
    """
    main = unit.photos[0][0]
    checked = [(group, member.file.path, check_pair(group, member, options)) for group, member in unit.photos]
    sidecars = [(main, path, imprint(path)) for path in unit.sidecars]
    modes = [_sidecar_mode(path, was, unit, shots, options) for _, path, was in sidecars]
    modes += [options.mode] * len(checked)
    held = choose_targets(unit.paths, unit.photos[0][1].file.path.stem, target_folder(unit, holding, manifest, options))
    number = last.number if last else 0
    unit_number = last.unit + 1 if last else 1
    return [
        Step(
            number=number + place,
            unit=unit_number,
            of=len(modes),
            group=group.number,
            mode=mode,
            path=path,
            to=held[path] if mode == Mode.MOVE else None,
            keeper=group.keeper.path,
            photo=place > len(sidecars),
            was=was,
        )
        for place, ((group, path, was), mode) in enumerate(zip(sidecars + checked, modes, strict=True), start=1)
    ]


def target_folder(unit: Unit, holding: Path, manifest: Manifest, options: ApplyOptions) -> Path:
    """Return where a unit's files are held: below the folder given, or in the root, each at its relative path.

    `holding` is the run's own part of a root's holding folder, relative to that root.
    """
    folder = unit.paths[0].parent
    found = manifest.locate(folder)
    if found is None:
        raise RunError(f"{folder} is in no folder of this index")
    root, relative = found
    if options.to is not None:
        return options.to / root / relative
    return manifest.roots[root] / holding / relative


def choose_targets(paths: tuple[Path, ...], stem: str, folder: Path) -> dict[Path, Path]:
    """Return a free path in a folder for each file of a shot; where one is taken, all get the same number."""
    for number in count(1):
        chosen = {path: folder / _numbered(path.name, stem, number) for path in paths}
        if not any(os.path.lexists(target) for target in chosen.values()):
            return chosen
    raise AssertionError("unreachable")


def _numbered(name: str, stem: str, number: int) -> str:
    """Put the number behind the shot's stem, so that the files still belong together."""
    if number == 1:
        return name
    head, tail, mark = name[: len(stem)], name[len(stem) :], f" ({number})"
    while head and len(os.fsencode(f"{head}{mark}{tail}")) > NAME_BYTES:
        head = head[:-1]
    return f"{head}{mark}{tail}"


def _sidecar_mode(path: Path, was: Imprint, unit: Unit, shots: Shots, options: ApplyOptions) -> Mode:
    """Return what becomes of a sidecar: where photos are deleted, only one that the keeper's shot has as well."""
    if options.mode != Mode.DELETE:
        return options.mode
    copies = (other for group, _ in unit.photos for other in shots.rest_of_shot(group.keeper.path))
    same = any(other.suffix.lower() == path.suffix.lower() and _has(other, was) for other in copies)
    return Mode.DELETE if same else Mode.MOVE


def _has(path: Path, was: Imprint) -> bool:
    found = imprint(path)
    return (found.size, found.sha256) == (was.size, was.sha256)
