"""Checks a plan before anything is changed: that it is consistent, and that the files are still what it says.

PlanError means that nothing is done at all. RunError about a file means that only its group is left alone.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from retrieval.dedupe.plan.records import REMOVABLE, Action, Group, Kind, Member, Plan, PlannedFile
from retrieval.dedupe.run.fingerprint import Fingerprint, fingerprint, is_one_file, plain_file_status
from retrieval.dedupe.run.records import LINKING, ApplyOptions, Mode
from retrieval.errors import PlanError, Remedy, RunError
from retrieval.manifest import Manifest


def check_options(options: ApplyOptions) -> None:
    """Raise RunError for options that exclude each other."""
    if options.to is not None and options.mode != Mode.MOVE:
        raise RunError(f"a holding folder cannot be combined with mode {options.mode}", Remedy.OTHER_MODE)
    if options.mode in LINKING and options.kinds != {Kind.EXACT}:
        raise RunError(f"mode {options.mode} is for files with the same bytes", Remedy.EXACT_ONLY)
    never = options.kinds - set(REMOVABLE)
    if never:
        raise RunError(f"files in groups of kind {', '.join(sorted(never))} are never removed")


def check_plan(plan: Plan, options: ApplyOptions, manifest: Manifest) -> None:
    """Raise PlanError for a plan that contradicts itself or the index."""
    protected = {file.path for group in plan.groups for file in _files(group) if file.protected}
    for group in plan.groups:
        removed = [member.file.path for member in group.members if member.action == Action.REMOVE]
        if removed and group.kind not in REMOVABLE:
            what = f"group {group.number} ({group.kind}) would remove {removed[0]}"
            raise PlanError(what, Remedy.EDIT_PLAN)
        for path in removed:
            if path in protected:
                raise PlanError(f"{path} is in a reference folder but would be removed", Remedy.EDIT_PLAN)
    # A photo in a burst may be in another group too: the kinds that are never removed do not decide about it.
    groups = [group for group in plan.groups if group.kind in REMOVABLE]
    for group in groups:
        for file in _files(group):
            _check_file(file, group, manifest)
    _check_one_place_each(groups)
    if options.to is not None:
        _check_holding_folder(options.to, protected, manifest)


def _check_one_place_each(groups: Sequence[Group]) -> None:
    """Raise PlanError if a file is a member twice, or a keeper of files with other bytes is itself removed.

    A file may be the keeper of several groups. The keeper of exact copies may be removed if it matches another keeper,
    because then each of its copies matches that one too.
    """
    places: dict[Path, Group] = {}
    for group in groups:
        for member in group.members:
            path = member.file.path
            if path == group.keeper.path or path in places:
                other = places.get(path, group).number
                raise PlanError(f"{path} is in group {other} and again in group {group.number}", Remedy.EDIT_PLAN)
            places[path] = group
    removed = {member.file.path for _, member in removals(groups, REMOVABLE)}
    for group in groups:
        if group.keeper.path in removed and group.kind != Kind.EXACT:
            number = places[group.keeper.path].number
            what = f"{group.keeper.path} is the keeper of group {group.number}, but group {number} would remove it"
            raise PlanError(what, Remedy.EDIT_PLAN)


def check_mounted(planned: Collection[tuple[Group, Member]], manifest: Manifest) -> None:
    """Raise RunError if a root of the files to remove or of their keepers is missing, or if one is read-only."""
    files = (file for group, member in planned for file in (group.keeper, member.file))
    names = {found[0] for file in files if (found := manifest.locate(file.path))}
    for name in sorted(names):
        if not is_mounted(manifest.roots[name]):
            raise RunError(f"{manifest.roots[name]} (root {name!r}) is missing or empty", Remedy.MOUNT)
    for folder in sorted({member.file.path.parent for _, member in planned}):
        if _is_read_only(folder):
            raise RunError(f"{folder} is on a read-only disk, so no file in it can be removed", Remedy.MOUNT_WRITABLE)


def is_mounted(root: Path) -> bool:
    """Tell whether the disk of a root is there: without it, its mount point is missing or an empty folder."""
    try:
        return any(root.iterdir())
    except OSError:
        return False


def _is_read_only(folder: Path) -> bool:
    try:
        return hasattr(os, "statvfs") and bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def check_file(file: PlannedFile) -> Fingerprint:
    """Read a file again and return its fingerprint; raise RunError if it is not what the plan says."""
    found = plain_file_status(file.path)
    if file.path.parent.resolve() != file.path.parent:
        raise RunError(f"{file.path} is reached through a symbolic link, and links are not followed")
    if (found.st_size, found.st_mtime_ns) != (file.size, file.mtime_ns):
        raise RunError(f"{file.path} has changed since the plan was made", Remedy.FIND_AGAIN)
    now = fingerprint(file.path)
    if now.sha256 != file.sha256:
        raise RunError(f"{file.path} has other bytes than the plan says", Remedy.FIND_AGAIN)
    return now


def check_pair(group: Group, member: Member, options: ApplyOptions) -> Fingerprint:
    """Check a member and its keeper; return the member's fingerprint.

    Raises RunError if either has changed, if they are one file, or if the keeper was chosen by hand and does not match:
    the reasons in the plan are not about it.
    """
    keeper, path = group.keeper, member.file.path
    if options.mode == Mode.HARDLINK and keeper.protected:
        raise RunError(f"{path} stays, because editing a hard link to {keeper.path} would change a reference folder")
    check_file(keeper)
    found = check_file(member.file)
    if is_one_file(plain_file_status(keeper.path), plain_file_status(path)):
        raise RunError(f"{path} and its keeper {keeper.path} are one file, so it stays")
    if group.kind != Kind.EXACT and not member.reason:
        difference = options.recheck(keeper.path, path) if options.recheck else "nothing here can compare them"
        if difference:
            raise RunError(f"{path} may not match {keeper.path}, the keeper chosen by hand: {difference}")
    return found


def removals(groups: Iterable[Group], kinds: Iterable[Kind]) -> Iterator[tuple[Group, Member]]:
    """Yield the members to remove, with their groups, in groups of these kinds."""
    for group in groups:
        if group.kind in kinds:
            yield from ((group, member) for member in group.members if member.action == Action.REMOVE)


def _files(group: Group) -> Iterator[PlannedFile]:
    yield group.keeper
    yield from (member.file for member in group.members)


def _check_file(file: PlannedFile, group: Group, manifest: Manifest) -> None:
    if os.path.normpath(file.path) != str(file.path) or not file.path.is_absolute() or "\0" in str(file.path):
        raise PlanError(f"group {group.number} has {str(file.path)!r}, not an absolute path", Remedy.EDIT_PLAN)
    if manifest.locate(file.path) is None:
        raise PlanError(f"{file.path} (group {group.number}) is not in a folder of this index", Remedy.EDIT_PLAN)
    if group.kind == Kind.EXACT and file.sha256 != group.keeper.sha256:
        what = f"{file.path} has other bytes than its keeper, but group {group.number} is exact"
        raise PlanError(what, Remedy.EDIT_PLAN)


def _check_holding_folder(folder: Path, protected: Iterable[Path], manifest: Manifest) -> None:
    for path in protected:
        if folder.is_relative_to(path.parent):
            raise RunError(f"{folder} is in a reference folder ({path.parent})", Remedy.OTHER_HOLDING_FOLDER)
    if any(folder / name == root for name, root in manifest.roots.items()):
        raise RunError(f"{folder} would put the files back into the archive", Remedy.OTHER_HOLDING_FOLDER)
