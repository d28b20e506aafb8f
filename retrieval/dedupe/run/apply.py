"""Carries out a plan: the one place where files of an archive are moved, linked or removed. `undo` is its reverse.

Every file and its keeper are read again just before; the journal is written first; a shot moves as one; whatever is
in doubt stays where it is and is reported.
"""

import errno
import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from retrieval.archive.shots import Shots
from retrieval.catalogue import moves
from retrieval.dedupe.plan import plan_file
from retrieval.dedupe.plan.records import REMOVABLE, Group, Member, Plan
from retrieval.dedupe.run import follow, transfer, trash
from retrieval.dedupe.run.checks import (
    ApplyOptions,
    check_mounted,
    check_options,
    check_pair,
    check_plan,
    removals,
)
from retrieval.dedupe.run.journal import Journal, JournalError, journals
from retrieval.dedupe.run.records import Mode, State, Step
from retrieval.dedupe.run.recovery import reason, recover, roll_back
from retrieval.dedupe.run.report import RunReport
from retrieval.dedupe.run.shot_removal import HOLDING_NAME, Unit, make_unit, plan_steps
from retrieval.errors import Interrupted, RunError
from retrieval.lock import writing
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
    """Carry out a plan, or the file of one, group by group; return what was done, and what was left and why.

    A run of the same plan that was interrupted or killed is gone on with. `progress` may raise Interrupted to stop
    between two shots. Raises PlanError, before anything is changed, for a plan that contradicts itself; RunError where
    a disk is missing or the journal cannot be written; IndexLockedError while another process writes.
    """
    check_options(options)
    if not isinstance(plan, Plan):
        plan = plan_file.read(Path(plan))
    if options.to is not None:
        options = replace(options, to=options.to.expanduser().resolve())
    report = RunReport(options.mode, dry_run=options.dry_run)
    with ExitStack() as stack:
        if not options.dry_run:
            stack.enter_context(writing(store.folder))
        store.reload()
        check_plan(plan, options, store.manifest)
        check_mounted(plan, options, store.manifest)
        run = _Run(store, plan, options, report)
        stack.callback(run.close)
        run.take_up()
        run.carry_out(progress)
    return report


class _Run:
    """One call of apply."""

    def __init__(self, store: Store, plan: Plan, options: ApplyOptions, report: RunReport) -> None:
        self._store = store
        self._digest = digest(plan, options)
        self._options = options
        self._report = report
        self._journal: Journal | None = None
        self._shots = Shots()
        self._last: Step | None = None  # of the journal
        self._unsound: dict[int, str | None] = {}  # why a group, by number, is left alone
        # A dictionary by path: the plan has been checked to name each file once.
        self._removals = {member.file.path: (group, member) for group, member in removals(plan.groups, options.kinds)}
        for group, _ in removals(plan.groups, set(REMOVABLE) - options.kinds):
            report.other_kinds[group.kind] = report.other_kinds.get(group.kind, 0) + 1

    def take_up(self) -> None:
        """Clear up after runs that were killed, and go on with the one that this is."""
        for journal in journals(self._store.folder):
            if journal.ended and not journal.in_state(State.UNDOING):
                continue
            journal.relocate(self._store.manifest.roots)
            if not self._options.dry_run:
                with journal:
                    recover(self._store, journal, self._report)
            same = journal.header.plan == self._digest and not journal.ended and not journal.undo_begun
            self._journal = journal if same else self._journal
        if self._journal is not None:
            self._report.run, self._report.resumed = self._journal.header.run, True
            self._last = next(reversed(self._journal.steps.values()), None)
            for step in self._journal.in_state(State.DONE):
                self._removals.pop(step.path, None)

    def carry_out(self, progress: Listener) -> None:
        """Go through what is to be removed, shot by shot."""
        waiting, total = list(self._removals.values()), len(self._removals)
        for number, (group, member) in enumerate(waiting, start=1):
            path = member.file.path
            try:
                if path in self._removals:  # else it went with its twin
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
        """Remove one member with its shot, or report why not; raises OSError where the disk is full."""
        try:
            unit = make_unit(group, member, self._removals, self._shots, self._options)
            for other, _ in unit.photos:
                self._refuse_unsound(other)
            self._take(unit)
        except JournalError:
            raise
        except OSError as error:
            if error.errno in NO_SPACE:
                raise
            self._report.skip(group.number, member.file.path, reason(error))
        except RunError as error:
            self._report.skip(group.number, member.file.path, reason(error))

    def _refuse_unsound(self, group: Group) -> None:
        """Before a group's first file, look at all of them; a group in which something has changed is left alone."""
        if group.number not in self._unsound:
            self._unsound[group.number] = self._why_unsound(group)
        why = self._unsound[group.number]
        if why is not None:
            raise RunError(why)

    def _why_unsound(self, group: Group) -> str | None:
        try:
            for member in group.members:
                if member.file.path in self._removals:
                    check_pair(group, member, self._options)
                    self._refuse_unknown(member.file.path)
        except (RunError, OSError) as error:
            return reason(error)
        return None

    def _refuse_unknown(self, path: Path) -> None:
        place = follow.place_of(self._store.manifest, path)
        if place is None or not moves.knows(self._store.database, place):
            raise RunError(f"{path} is not in the index: bring it up to date with `retrieval index`, then find again")

    def _take(self, unit: Unit) -> None:
        """Take every step of a unit, or none."""
        run = self._open_journal().header.run if not self._options.dry_run else "RUN"
        holding = Path(HOLDING_NAME) / run
        steps = plan_steps(unit, self._last, holding, self._store.manifest, self._shots, self._options)
        if not self._options.dry_run:
            self._take_steps(steps)
        self._count(steps)
        self._shots.forget(unit.paths if self._options.mode not in (Mode.HARDLINK, Mode.REFLINK) else ())
        for path in unit.paths:
            self._removals.pop(path, None)

    def _take_steps(self, steps: list[Step]) -> None:
        journal = self._open_journal()
        try:
            for step in steps:
                if step.to is not None:
                    self._make_folders(journal, step.to.parent)
                self._last = step
                journal.begin(step)
                to = _change(journal, step)
                follow.forwards(self._store, step)
                journal.done(step.number, to)
        except JournalError:
            raise
        except (RunError, OSError):
            roll_back(self._store, journal, self._report)
            raise

    def _make_folders(self, journal: Journal, folder: Path) -> None:
        missing = [parent for parent in (folder, *folder.parents) if not parent.is_dir()]
        for path in reversed(missing):
            journal.folder(path)
            path.mkdir()
            transfer.sync_entries(path.parent)

    def _count(self, steps: list[Step]) -> None:
        photos = sum(step.photo for step in steps)
        self._report.photos += photos
        self._report.sidecars += len(steps) - photos
        self._report.size += sum(step.was.size for step in steps)
        for step in steps:
            if step.to is not None:
                self._report.folders.add(self._holding_of(step))

    def _holding_of(self, step: Step) -> Path:
        assert step.to is not None
        if self._options.to is not None:
            return self._options.to
        return next(parent for parent in step.to.parents if parent.parent.name == HOLDING_NAME)

    def _open_journal(self) -> Journal:
        if self._journal is None:
            roots = self._store.manifest.roots
            self._journal = Journal.create(self._store.folder, self._options.mode, self._digest, roots)
            self._report.run = self._journal.header.run
        return self._journal


def digest(plan: Plan, options: ApplyOptions) -> str:
    """Tell a plan and what is wished of it from others."""
    told = (plan.groups, options.mode.value, options.to, sorted(options.kinds))
    return hashlib.sha256(repr(told).encode("utf-8", "surrogateescape")).hexdigest()


def _change(journal: Journal, step: Step) -> Path | None:
    """Take one step; return where the file is now if only that tells."""
    here = journal.temporary(step, step.path.parent)
    match step.mode:
        case Mode.MOVE:
            assert step.to is not None
            transfer.move(step.path, step.to, journal.temporary(step, step.to.parent), step.was)
        case Mode.TRASH:
            trash.send(step.path)
            return trash.find(step.path)
        case Mode.HARDLINK:
            transfer.hardlink(step.keeper, step.path, here)
        case Mode.REFLINK:
            transfer.reflink(step.keeper, step.path, here, step.was)
        case Mode.DELETE:
            transfer.delete(step.path)
    return None
