"""Applies a plan: moves, links or removes files of an archive.

Every file of a group is read again before the first of them is changed. Then, shot by shot, the journal is written, the
files are claimed, they and their keepers are read once more, and only then the files are removed, together or not at
all. A file in doubt stays where it is and is reported.
"""

import errno
import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from retrieval.archive.shots import Shots
from retrieval.decode.live_photo import is_moving_part
from retrieval.dedupe.plan import plan_file
from retrieval.dedupe.plan.records import REMOVABLE, Group, Member, Plan
from retrieval.dedupe.run import catalogue_updates, transfer, trash
from retrieval.dedupe.run.checks import check_mounted, check_options, check_pair, check_plan, removals
from retrieval.dedupe.run.claim import Claim, PlannedChange, claim
from retrieval.dedupe.run.fingerprint import Fingerprint
from retrieval.dedupe.run.journal import Journal, journals
from retrieval.dedupe.run.records import LINKING, ApplyOptions, Change, Mode, State
from retrieval.dedupe.run.recovery import recover, return_files, roll_back
from retrieval.dedupe.run.report import RunReport, reason
from retrieval.dedupe.run.shot_removal import HOLDING_NAME, ShotRemoval, gather_shot, plan_changes
from retrieval.errors import Interrupted, JournalError, Remedy, RunError
from retrieval.lock import changing, writing
from retrieval.records import PathInput, Progress
from retrieval.store import Store

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
DEFAULT_OPTIONS = ApplyOptions()

Listener = Callable[[Progress], None]


def apply(
    store: Store,
    plan: Plan | PathInput,
    options: ApplyOptions = DEFAULT_OPTIONS,
    progress: Listener = lambda _progress: None,
) -> RunReport:
    """Apply a plan, or the plan in a file; return what was done, and what was left alone and why.

    Resumes a run of the same plan that was interrupted or killed. `progress` may raise Interrupted to stop between two
    shots. Raises PlanError, before anything is changed, for an invalid plan; RunError for options that exclude each
    other, if a disk is missing or read-only and if the journal cannot be written; IndexLockedError while another
    process writes to the index, ArchiveLockedError while another run changes files in a root.
    """
    check_options(options)
    if not isinstance(plan, Plan):
        plan = plan_file.read(Path(plan))
    if options.to is not None:
        options = replace(options, to=_resolved(options.to))
    report = RunReport(options.mode, dry_run=options.dry_run)
    with ExitStack() as stack:
        if not options.dry_run:
            stack.enter_context(writing(store.folder))
        store.reload()
        if not options.dry_run:
            stack.enter_context(changing(store.manifest.roots.values(), [options.to] if options.to else []))
        check_plan(plan, options, store.manifest)
        run = _Run(store, plan, options, report)
        stack.callback(run.close)
        run.resume()
        run.check_mounted()
        run.remove_all(progress)
    return report


class _Run:
    """One call of apply."""

    def __init__(self, store: Store, plan: Plan, options: ApplyOptions, report: RunReport) -> None:
        self._store = store
        self._digest = digest(plan, options)
        self._options = options
        self._report = report
        self._journal: Journal | None = None
        self._shots = Shots(is_moving_part)
        self._last: Change | None = None  # in the journal
        self._group_problems: dict[int, RunError | None] = {}  # by number of the group
        self._checked: dict[Path, Fingerprint] = {}  # the files to remove, as they were when their group was checked
        # By path: a checked plan names each file to remove once.
        self._removals = {member.file.path: (group, member) for group, member in removals(plan.groups, options.kinds)}
        for group, _ in removals(plan.groups, set(REMOVABLE) - options.kinds):
            report.other_kinds[group.kind] = report.other_kinds.get(group.kind, 0) + 1

    def resume(self) -> None:
        """Recover from runs that were killed, and resume the one that has the same plan and options."""
        for journal in journals(self._store.folder):
            if journal.ended and not journal.in_state(State.BEGUN, State.UNDOING):
                continue
            journal.relocate(self._store.manifest.roots)
            if not self._options.dry_run:
                with journal:
                    recover(self._store, journal, self._report)
            same = journal.header.plan == self._digest and not journal.ended and not journal.undo_started
            self._journal = journal if same else self._journal
        if self._journal is not None:
            self._report.run, self._report.resumed = self._journal.header.run, True
            self._last = next(reversed(self._journal.changes.values()), None)
            for change in self._journal.in_state(State.DONE):
                self._removals.pop(change.path, None)

    def check_mounted(self) -> None:
        """Raise RunError if a disk that is still needed is missing or read-only: roots that were emptied are not."""
        check_mounted(self._removals.values(), self._store.manifest)

    def remove_all(self, progress: Listener) -> None:
        """Remove the files shot by shot."""
        waiting, total = list(self._removals.values()), len(self._removals)
        for number, (group, member) in enumerate(waiting, start=1):
            path = member.file.path
            try:
                if path in self._removals:  # otherwise it was removed with its twin
                    self._remove(group, member)
                progress(Progress("applying", number, total, len(self._report.skipped), path))
            except Interrupted:
                self._report.interrupted = True
                return
            except OSError as error:
                self._report.stopped = f"{error.strerror}, at {path}"
                return
        if self._journal is not None and not self._options.dry_run:
            self._journal.end()

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()

    def _remove(self, group: Group, member: Member) -> None:
        """Remove one member with its shot, or report why not; raises OSError if the disk is full."""
        try:
            shot = gather_shot(group, member, self._removals, self._shots, self._options)
            for other, _ in shot.photos:
                self._check_group(other)
            self._remove_shot(shot)
        except JournalError:
            raise
        except (RunError, OSError) as error:
            if isinstance(error, OSError) and error.errno in NO_SPACE:
                raise
            self._report.skip(group.number, member.file.path, error)

    def _check_group(self, group: Group) -> None:
        """Before the first file of a group is removed, check all of them: if one has changed, all are left alone."""
        if group.number not in self._group_problems:
            self._group_problems[group.number] = self._group_problem(group)
        problem = self._group_problems[group.number]
        if problem is not None:
            raise RunError(problem.what, problem.remedy)

    def _group_problem(self, group: Group) -> RunError | None:
        try:
            for member in group.members:
                path = member.file.path
                if path in self._removals:
                    self._checked[path] = check_pair(group, member, self._options)
                    if not catalogue_updates.is_indexed(self._store, path):
                        return RunError(f"{path} is not in the index", Remedy.UPDATE_AND_FIND_AGAIN)
        except (RunError, OSError) as error:
            return RunError(*reason(error))
        return None

    def _remove_shot(self, shot: ShotRemoval) -> None:
        """Make every change of a shot, or none."""
        run = self._open_journal().header.run if not self._options.dry_run else "RUN"
        holding = Path(HOLDING_NAME) / run
        manifest = self._store.manifest
        planned = plan_changes(shot, self._checked, self._last, holding, manifest, self._shots, self._options)
        if not self._options.dry_run:
            self._make_changes(planned)
        self._count([one.change for one in planned])
        if self._options.mode not in LINKING:
            self._shots.forget(shot.paths)
        for path in shot.paths:
            self._removals.pop(path, None)
            self._checked.pop(path, None)

    def _make_changes(self, planned: list[PlannedChange]) -> None:
        """Claim every file, look again at all of them, then remove them; if one must stay, put all back."""
        journal = self._open_journal()
        try:
            claims = [self._claim(journal, one) for one in planned]
            for claimed in claims:
                claimed.look_again()
            for claimed in claims:
                self._finish(journal, claimed)
        except JournalError:
            return_files(journal)
            raise
        except (RunError, OSError):
            roll_back(self._store, journal, self._report)
            raise
        except BaseException:  # the catalogue cannot be written, or a second Ctrl-C
            return_files(journal)
            raise

    def _claim(self, journal: Journal, planned: PlannedChange) -> Claim:
        self._last = planned.change
        journal.begin(planned.change)
        return claim(planned, journal.claimed_path(planned.change))

    def _finish(self, journal: Journal, claimed: Claim) -> None:
        change = claimed.change
        if change.target is not None:
            self._make_folders(journal, change.target.parent)
        claimed.check_keeper()
        target = _remove(journal, claimed)
        catalogue_updates.record_change(self._store, change)
        journal.finish(change.number, target)

    def _make_folders(self, journal: Journal, folder: Path) -> None:
        missing = [parent for parent in (folder, *folder.parents) if not parent.is_dir()]
        for path in reversed(missing):
            journal.add_folder(path)
            path.mkdir()
            transfer.sync_entries(path.parent)

    def _count(self, changes: list[Change]) -> None:
        for change in changes:
            if change.mode == self._options.mode:
                self._report.photos += change.is_photo
                self._report.sidecars += not change.is_photo
                self._report.size += change.original.size
            else:
                self._report.sidecars_held += 1
            if change.target is not None:
                self._report.folders.add(self._holding_folder(change.target))

    def _holding_folder(self, target: Path) -> Path:
        if self._options.to is not None:
            return self._options.to
        return next(parent for parent in target.parents if parent.parent.name == HOLDING_NAME)

    def _open_journal(self) -> Journal:
        if self._journal is None:
            roots = self._store.manifest.roots
            self._journal = Journal.create(self._store.folder, self._options.mode, self._digest, roots)
            self._report.run = self._journal.header.run
        return self._journal


def digest(plan: Plan, options: ApplyOptions) -> str:
    """Return what identifies the run of a plan with some options: an unfinished run with the same digest is resumed.

    Journals of earlier versions hold this digest, so the names of the plan's records and of their fields must stay.
    """
    identity = (plan.groups, options.mode.value, options.to, sorted(options.kinds))
    return hashlib.sha256(repr(identity).encode("utf-8", "surrogateescape")).hexdigest()


def _resolved(folder: Path | str) -> Path:
    """Return the holding folder as an absolute path without links."""
    try:
        return Path(folder).expanduser().resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a loop of links, NUL, the home of an unknown user
        raise RunError(
            f"{folder!s:.200} cannot be the holding folder ({error})", Remedy.OTHER_HOLDING_FOLDER
        ) from error


def _remove(journal: Journal, claimed: Claim) -> Path | None:
    """Remove one claimed file; return where it is now if the change did not say so."""
    change, temporary = claimed.change, journal.temporary_path(claimed.change, claimed.change.path.parent)
    match change.mode:
        case Mode.MOVE:
            assert change.target is not None
            temporary = journal.temporary_path(change, change.target.parent)
            transfer.move(claimed.path, change.target, temporary, change.original)
        case Mode.TRASH:
            return trash.send(claimed.path, change.path)
        case Mode.HARDLINK:
            transfer.hardlink(change.keeper, claimed.path, change.path)
        case Mode.REFLINK:
            transfer.reflink(change.keeper, claimed.path, change.path, temporary, change.original)
        case Mode.DELETE:
            transfer.delete(claimed.path)
    return None
