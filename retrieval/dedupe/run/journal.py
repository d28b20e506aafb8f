"""The journal of a run: each change is written to the disk before it is made, and again when it is done.

`runs/<run>.jsonl` in the folder of the index has one JSON object a line and is only appended to. What a run has done,
what it was doing when it was killed and what was undone since all follow from reading it from the start.
"""

import contextlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

from retrieval.archive.mounts import is_mount
from retrieval.dedupe.run.records import (
    Change,
    Mode,
    RunHeader,
    State,
    change_document,
    change_from_document,
    relocated,
)
from retrieval.durable import sync_folder
from retrieval.errors import JournalError, Remedy, RunError
from retrieval.text import dump_json

RUNS_NAME = "runs"
SUFFIX = ".jsonl"
FORMAT = 2  # 1: without owners and extended attributes, files are not claimed


@dataclass(slots=True)
class Journal:
    """A run as its journal records it. Methods that add to it write to the disk first.

    Raises JournalError if the journal cannot be written.
    """

    path: Path
    header: RunHeader
    changes: dict[int, Change] = field(default_factory=dict)  # by number
    states: dict[int, State] = field(default_factory=dict)
    folders: list[Path] = field(default_factory=list)  # that the run made, in that order
    ended: bool = False
    undo_started: bool = False
    _file: FileIO | None = None

    @classmethod
    def create(cls, index: Path, mode: Mode, plan: str, roots: Mapping[str, Path]) -> "Journal":
        """Start the journal of a new run, named after the local time."""
        folder = index / RUNS_NAME
        now = datetime.now().astimezone()
        try:
            if not folder.is_dir():
                folder.mkdir()
                sync_folder(index)
            path, file = _create_file(folder, now.strftime("%Y-%m-%dT%H-%M-%S"))
        except OSError as error:
            what = f"no journal can be written to {folder} ({error.strerror}), so nothing was changed"
            raise JournalError(what) from error
        where = {name: str(root) for name, root in roots.items()}
        plain = tuple(name for name, root in roots.items() if root.is_dir() and not is_mount(root))
        header = RunHeader(path.name.removesuffix(SUFFIX), mode, plan, now.isoformat(timespec="seconds"), where, plain)
        journal = cls(path, header, _file=file)
        journal._write({"do": "run", "format": FORMAT, **asdict(header)})
        sync_folder(folder)
        return journal

    @classmethod
    def read(cls, path: Path) -> "Journal | None":
        """Read a journal; return None if the run was killed before its first line.

        Raises RunError for a journal that cannot be read or is damaged. A torn last line counts as not written.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise RunError(f"the journal {path} cannot be read: {error.strerror}") from error
        lines = data.split(b"\n")[:-1]  # what follows the last line end is nothing, or a torn line
        if not lines:
            return None
        journal = cls(path, _header(lines[0], path))
        for number, line in enumerate(lines[1:], start=2):
            try:
                journal._replay(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                what = f"line {number} of the journal {path} is damaged"
                raise RunError(what, Remedy.RESTORE_OR_GIVE_UP_RUN) from error
        return journal

    def relocate(self, roots: Mapping[str, Path]) -> None:
        """Replace the roots in all paths by where they are now. The file of the journal stays as it is."""
        before = self.header.roots
        self.folders = [relocated(folder, before, roots) for folder in self.folders]
        for number, change in self.changes.items():
            self.changes[number] = replace(
                change,
                path=relocated(change.path, before, roots),
                target=None if change.target is None else relocated(change.target, before, roots),
                keeper=relocated(change.keeper, before, roots),
            )

    def begin(self, change: Change) -> None:
        """Record that a change is about to be made."""
        self._write({"do": State.BEGUN, **change_document(change)})
        self.changes[change.number] = change
        self.states[change.number] = State.BEGUN

    def finish(self, number: int, target: Path | None = None) -> None:
        """Record that a change is done, and where the file is now if that was not known before."""
        self._write({"do": State.DONE, "step": number, "to": None if target is None else str(target)})
        self._set_done(number, target)

    def set_state(self, number: int, state: State) -> None:
        """Record that a change is void, being undone, or undone."""
        self._write({"do": state, "step": number})
        self._apply_state(number, state)

    def add_folder(self, path: Path) -> None:
        """Record that a folder is about to be made."""
        self._write({"do": "folder", "path": str(path)})
        self.folders.append(path)

    def end(self) -> None:
        """Record that the run has done all it could."""
        self._write({"do": "end", "at": datetime.now().astimezone().isoformat(timespec="seconds")})
        self.ended = True

    def temporary_path(self, change: Change, folder: Path) -> Path:
        """Return the path in a folder that only this change uses, for a copy in progress."""
        return folder / f".retrieval-{self.header.run}-{change.number}.partial"

    def claimed_path(self, change: Change) -> Path:
        """Return the path, beside the file, that only this change renames it to before it looks at it again.

        A file that goes to the trash keeps its name there, so it is claimed in a folder of that name.
        """
        beside = change.path.parent / f".retrieval-{self.header.run}-{change.number}.claimed"
        return beside / change.path.name if change.mode == Mode.TRASH else beside

    def in_state(self, *states: State) -> list[Change]:
        """Return the changes in one of these states, the last first, as they are undone."""
        return [change for number, change in reversed(self.changes.items()) if self.states[number] in states]

    def incomplete_changes(self) -> list[Change]:
        """Return the changes of shots that a kill left half changed, the last first."""
        done = Counter(change.shot for change in self.in_state(State.DONE))
        settled = {change.shot for change in self.in_state(State.UNDOING, State.UNDONE)}
        settled |= {
            change.shot for change in self.in_state(State.DONE) if change.mode == Mode.DELETE
        }  # cannot be undone
        return [
            change
            for change in self.in_state(State.BEGUN, State.DONE)
            if self.states[change.number] == State.BEGUN
            or (change.shot not in settled and done[change.shot] < change.shot_size)
        ]

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()
            self._file = None

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self.close()

    def _write(self, line: dict[str, Any]) -> None:
        """Append a line and sync it to the disk."""
        try:
            if self._file is None:
                self._file = _open_for_appending(self.path)
            _append(self._file, dump_json(line).encode("utf-8") + b"\n")
        except OSError as error:
            what = f"the run has stopped, because its journal {self.path} cannot be written ({error.strerror})"
            raise JournalError(what, Remedy.RESUME_OR_UNDO) from error

    def _replay(self, line: dict[str, Any]) -> None:
        kinds: dict[str, Callable[[], None]] = {
            State.BEGUN: lambda: self._add(change_from_document(line)),
            State.DONE: lambda: self._set_done(line["step"], None if line["to"] is None else Path(line["to"])),
            "folder": lambda: self.folders.append(Path(line["path"])),
            "end": lambda: setattr(self, "ended", True),
        }
        kind = line["do"]
        kinds.get(kind, lambda: self._apply_state(line["step"], State(kind)))()

    def _add(self, change: Change) -> None:
        self.changes[change.number] = change
        self.states[change.number] = State.BEGUN

    def _set_done(self, number: int, target: Path | None) -> None:
        if target is not None:
            self.changes[number] = replace(self.changes[number], target=target)
        self._apply_state(number, State.DONE)

    def _apply_state(self, number: int, state: State) -> None:
        if number not in self.changes:
            raise KeyError(number)
        self.states[number] = state
        self.undo_started |= state in (State.UNDOING, State.UNDONE)


def journals(index: Path) -> Iterator[Journal]:
    """Yield the journals of an index, the oldest first. Raises RunError for one that cannot be read."""
    paths = sorted((index / RUNS_NAME).glob(f"*{SUFFIX}"), key=_order)
    found = [journal for path in paths if (journal := Journal.read(path)) is not None]
    # Names are local times: not in order if summer time ended between two runs, or a laptop travelled.
    yield from sorted(found, key=lambda journal: _started_at(journal.header.started_at))


def find_journal(index: Path, run: str | None) -> Journal:
    """Return the journal of a run by its name, or the last one. Raises RunError if there is none."""
    found = list(journals(index))
    chosen = [journal for journal in found if run in (None, journal.header.run)]
    if not chosen:
        if not found:
            raise RunError("no run has changed files yet, so there is nothing to undo")
        names = ", ".join(journal.header.run for journal in found[-5:])
        raise RunError(f"there is no run {run}; the last ones are {names}", Remedy.LIST_RUNS)
    return chosen[-1]


def _order(path: Path) -> tuple[str, int]:
    """Sort "...-03" before "...-03-2" before "...-03-10"."""
    name = path.name.removesuffix(SUFFIX)
    second, number = name[:19], name[20:]
    return second, int(number) if number.isdecimal() else 1


def _started_at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _create_file(folder: Path, name: str) -> tuple[Path, FileIO]:
    number = 1
    while True:
        path = folder / f"{name}{SUFFIX}" if number == 1 else folder / f"{name}-{number}{SUFFIX}"
        try:
            return path, path.open("xb", buffering=0)
        except FileExistsError:
            number += 1


def _open_for_appending(path: Path) -> FileIO:
    """Cut off a torn last line, so that what is appended starts a new line."""
    data = path.read_bytes()
    file = path.open("r+b", buffering=0)
    file.truncate(data.rfind(b"\n") + 1)
    file.seek(0, os.SEEK_END)
    return file


def _append(file: FileIO, line: bytes) -> None:
    """Append a line and sync it, or leave the file as it was: what failed must not be read as written later."""
    start = file.tell()
    try:
        while line:
            line = line[file.write(line) :]
        os.fsync(file.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            file.truncate(start)
        file.seek(start)
        raise


def _header(line: bytes, path: Path) -> RunHeader:
    try:
        document = json.loads(line)
        version = document["format"]
        _started_at(document["started_at"])
        header = RunHeader(
            run=document["run"],
            mode=Mode(document["mode"]),
            plan=document["plan"],
            started_at=document["started_at"],
            roots=dict(document["roots"]),
            plain_roots=tuple(document.get("plain_roots", ())),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is not the journal of a run: move it elsewhere") from error
    if version not in range(1, FORMAT + 1):
        raise RunError(f"the journal {path} has format {version}, this version reads up to {FORMAT}", Remedy.UPGRADE)
    return header
