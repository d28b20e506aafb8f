"""Holds a plan against itself, against what was asked for, and against the disk, before anything is changed.

A plan that contradicts itself raises PlanError: then nothing is done at all. A file that is no longer what the plan
says raises RunError: then only its group is left alone.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from retrieval.dedupe.alike.recheck import why_different
from retrieval.dedupe.plan.records import REMOVABLE, Action, Group, Kind, Member, Plan, PlannedFile
from retrieval.dedupe.run.records import LINKING, Mode
from retrieval.dedupe.run.transfer import Imprint, facts, imprint
from retrieval.errors import PlanError, RunError
from retrieval.manifest import Manifest


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """What `apply` may be told."""

    mode: Mode = Mode.MOVE
    to: Path | None = None  # the holding folder; by default a hidden one in the root of each file
    kinds: frozenset[Kind] = frozenset((Kind.EXACT,))
    dry_run: bool = False
    # Says why a keeper that a person chose does not match a member, or None where it does.
    recheck: Callable[[Path, Path], str | None] | None = why_different


def check_options(options: ApplyOptions) -> None:
    """Raise PlanError for wishes that do not go together."""
    if options.to is not None and options.mode != Mode.MOVE:
        raise PlanError(f"a holding folder (--to) and --{options.mode} do not go together: choose one")
    if options.mode in LINKING and options.kinds != {Kind.EXACT}:
        raise PlanError(f"--{options.mode} is for files of the same bytes: leave out --kinds, or move the others")
    never = options.kinds - set(REMOVABLE)
    if never:
        raise PlanError(f"groups of kind {', '.join(sorted(never))} are no duplicates: nothing in them is removed")


def check_plan(plan: Plan, options: ApplyOptions, manifest: Manifest) -> None:
    """Raise PlanError for a plan that contradicts itself or the index."""
    protected = {file.path for group in plan.groups for file in _files(group) if file.protected}
    for group in plan.groups:
        removed = [member.file.path for member in group.members if member.action == Action.REMOVE]
        if removed and group.kind not in REMOVABLE:
            raise PlanError(f"group {group.number} ({group.kind}) marks {removed[0]} for removal: {_FIX}")
        for path in removed:
            if path in protected:
                raise PlanError(f"{path} is in a reference folder and marked for removal: {_FIX}")
    # One photo may be in a burst and have a copy elsewhere: the other kinds say nothing of what becomes of it.
    groups = [group for group in plan.groups if group.kind in REMOVABLE]
    for group in groups:
        for file in _files(group):
            _check_file(file, group, manifest)
    _refuse_two_fates(groups)
    if options.to is not None:
        _refuse_inside(options.to, protected)
        if any((options.to / name) == root for name, root in manifest.roots.items()):
            raise PlanError(f"{options.to} would put the files back into the archive: choose another holding folder")


def _refuse_two_fates(groups: Iterable[Group]) -> None:
    """A file has one place in a plan; only a keeper may keep for several groups.

    The keeper of files of the same bytes may itself go, if it matches another file: then so do all of them.
    """
    places: dict[Path, Group] = {}
    for group in groups:
        for member in group.members:
            path = member.file.path
            if path == group.keeper.path or path in places:
                other = places.get(path, group).number
                raise PlanError(f"{path} is in group {other} and again in group {group.number}: {_FIX}")
            places[path] = group
    going = {member.file.path for _, member in removals(groups, REMOVABLE)}
    for group in groups:
        if group.keeper.path in going and group.kind != Kind.EXACT:
            number = places[group.keeper.path].number
            raise PlanError(
                f"{group.keeper.path} is the keeper of group {group.number}, but group {number} marks it for "
                f"removal: {_FIX}"
            )


_FIX = "correct the plan, or find the duplicates again; nothing was changed"


def check_mounted(plan: Plan, options: ApplyOptions, manifest: Manifest) -> None:
    """Raise RunError where a root of the files to remove is not there."""
    names = {
        found[0]
        for group in plan.groups
        if group.kind in options.kinds
        for file in _files(group)
        if (found := manifest.locate(file.path))
    }
    for name in sorted(names):
        if not is_mounted(manifest.roots[name]):
            raise RunError(
                f"the folder {manifest.roots[name]} (root {name!r}) is not there: mount its disk; nothing was changed"
            )


def is_mounted(root: Path) -> bool:
    """Tell whether a root can be worked on: without its disk a mount point is missing, or an empty folder."""
    return root.is_dir() and any(root.iterdir())


def check_file(file: PlannedFile) -> Imprint:
    """Read a file again; raise RunError if it is not what the plan says."""
    found = facts(file.path)
    if file.path.parent.resolve() != file.path.parent:
        raise RunError(f"{file.path} is reached through a symbolic link: links are never followed")
    if (found.st_size, found.st_mtime_ns) != (file.size, file.mtime_ns):
        raise RunError(f"{file.path} has changed since the plan was made: find the duplicates again")
    now = imprint(file.path)
    if now.sha256 != file.sha256:
        raise RunError(f"{file.path} has other bytes than the plan says: find the duplicates again")
    return now


def check_pair(group: Group, member: Member, options: ApplyOptions) -> Imprint:
    """Check a member and its keeper; raise RunError if either has changed or they are one file. Returns the member's.

    A keeper that was chosen by hand must match as well: the reasons of the plan are not about it.
    """
    keeper, path = group.keeper, member.file.path
    if options.mode == Mode.HARDLINK and keeper.protected:
        raise RunError(f"{path} stays: a hard link to {keeper.path} would let edits reach into a reference folder")
    check_file(keeper)
    found = check_file(member.file)
    if os.path.samestat(facts(keeper.path), facts(path)):
        raise RunError(f"{path} and its keeper {keeper.path} are one file already: removing it frees nothing")
    if group.kind != Kind.EXACT and not member.reason:
        reason = options.recheck(keeper.path, path) if options.recheck else "that cannot be checked here"
        if reason:
            raise RunError(f"{path} is not known to match {keeper.path}, the keeper chosen by hand: {reason}")
    return found


def removals(groups: Iterable[Group], kinds: Iterable[Kind]) -> Iterator[tuple[Group, Member]]:
    """Yield what a plan wants to be removed in groups of these kinds."""
    for group in groups:
        if group.kind in kinds:
            yield from ((group, member) for member in group.members if member.action == Action.REMOVE)


def _files(group: Group) -> Iterator[PlannedFile]:
    yield group.keeper
    yield from (member.file for member in group.members)


def _check_file(file: PlannedFile, group: Group, manifest: Manifest) -> None:
    if os.path.normpath(file.path) != str(file.path) or not file.path.is_absolute():
        raise PlanError(f"group {group.number} names {file.path}, which is no full path: {_FIX}")
    if manifest.locate(file.path) is None:
        raise PlanError(f"{file.path} (group {group.number}) is in no folder of this index: {_FIX}")
    if group.kind == Kind.EXACT and file.sha256 != group.keeper.sha256:
        raise PlanError(
            f"{file.path} has other bytes than its keeper, but group {group.number} calls them exact: {_FIX}"
        )


def _refuse_inside(target: Path, protected: Iterable[Path]) -> None:
    for path in protected:
        if target.resolve().is_relative_to(path.parent):
            raise PlanError(f"{target} is in a reference folder ({path.parent}): choose another holding folder")
