"""The journal of one run that changes files: each step is on the disk before it is taken, and again when it is done.

`runs/<run>.jsonl` in the index's folder, one JSON object a line, only ever appended to. What a run has done, what was
in hand when it was killed and what `undo` has put back all follow from reading it from the beginning.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from retrieval.dedupe.run.records import Header, Mode, State, Step, document, relocated, step_of
from retrieval.durable import sync_folder
from retrieval.errors import RunError
from retrieval.text import dump_json

RUNS_NAME = "runs"
SUFFIX = ".jsonl"
FORMAT = 1


class JournalError(RunError):
    """The journal itself fails: nothing may be changed any more."""


@dataclass(slots=True)
class Journal:
    """A run as its journal tells it; the methods that add to it write to the disk first.

    Raises RunError for a journal that cannot be written, or is broken elsewhere than in a torn last line.
    """

    path: Path
    header: Header
    steps: dict[int, Step] = field(default_factory=dict)  # by number
    states: dict[int, State] = field(default_factory=dict)
    folders: list[Path] = field(default_factory=list)  # made by the run, in that order
    ended: bool = False
    undo_begun: bool = False
    _file: BinaryIO | None = None

    @classmethod
    def create(cls, index: Path, mode: Mode, plan: str, roots: Mapping[str, Path]) -> "Journal":
        """Begin a run in an index's folder, under the name of this second."""
        folder = index / RUNS_NAME
        now = datetime.now().astimezone()
        try:
            if not folder.is_dir():
                folder.mkdir()
                sync_folder(index)
            path, file = _create_file(folder, now.strftime("%Y-%m-%dT%H-%M-%S"))
        except OSError as error:
            raise JournalError(
                f"no journal can be written to {folder} ({error.strerror}): nothing was changed"
            ) from error
        where = {name: str(root) for name, root in roots.items()}
        header = Header(path.name.removesuffix(SUFFIX), mode, plan, now.isoformat(timespec="seconds"), where)
        journal = cls(path, header, _file=file)
        journal._write({"do": "run", "format": FORMAT, **asdict(header)})
        sync_folder(folder)
        return journal

    @classmethod
    def read(cls, path: Path) -> "Journal | None":
        """Read a journal; None for one that was killed before its first line."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise RunError(f"the journal {path} cannot be read: {error.strerror}") from error
        lines = data.split(b"\n")[:-1]  # behind the last line's end there is nothing, or a torn line
        if not lines:
            return None
        journal = cls(path, _parse_header(lines[0], path))
        for number, line in enumerate(lines[1:], start=2):
            try:
                journal._replay(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise RunError(
                    f"the journal {path} is broken in line {number}: restore it from a backup, or move it away "
                    "(then nothing of that run can be undone)"
                ) from error
        return journal

    def relocate(self, roots: Mapping[str, Path]) -> None:
        """Look for the files where the archive folders are now; the journal on the disk stays as it is."""
        before = self.header.roots
        self.folders = [relocated(folder, before, roots) for folder in self.folders]
        for number, step in self.steps.items():
            self.steps[number] = replace(
                step,
                path=relocated(step.path, before, roots),
                to=None if step.to is None else relocated(step.to, before, roots),
                keeper=relocated(step.keeper, before, roots),
            )

    def begin(self, step: Step) -> None:
        """Say that a step is about to be taken."""
        self._write({"do": State.BEGUN, **document(step)})
        self.steps[step.number] = step
        self.states[step.number] = State.BEGUN

    def done(self, number: int, to: Path | None = None) -> None:
        """Say that a step is taken, and where the file is now if only that told."""
        self._write({"do": State.DONE, "step": number, "to": None if to is None else str(to)})
        self._set_done(number, to)

    def mark(self, number: int, state: State) -> None:
        """Say that a step is void, being undone, or undone."""
        self._write({"do": state, "step": number})
        self._set_state(number, state)

    def folder(self, path: Path) -> None:
        """Say that a folder is about to be made."""
        self._write({"do": "folder", "path": str(path)})
        self.folders.append(path)

    def end(self) -> None:
        """Say that the run has done all it could."""
        self._write({"do": "end", "at": datetime.now().astimezone().isoformat(timespec="seconds")})
        self.ended = True

    def temporary(self, step: Step, folder: Path) -> Path:
        """Return the name that this step may use in a folder while it copies; nothing else has it."""
        return folder / f".retrieval-{self.header.run}-{step.number}.partial"

    def in_state(self, *states: State) -> list[Step]:
        """Return the steps in one of these states, the last first: the order of undoing."""
        return [step for number, step in reversed(self.steps.items()) if self.states[number] in states]

    def open_steps(self) -> list[Step]:
        """Return the steps that a kill left half done, with the rest of their unit; the last first."""
        done = Counter(step.unit for step in self.in_state(State.DONE))
        settled = {step.unit for step in self.in_state(State.UNDOING, State.UNDONE)}
        settled |= {step.unit for step in self.in_state(State.DONE) if step.mode == Mode.DELETE}  # no way back
        return [
            step
            for step in self.in_state(State.BEGUN, State.DONE)
            if self.states[step.number] == State.BEGUN or (step.unit not in settled and done[step.unit] < step.of)
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
        """Append a line and wait until it is on the disk."""
        try:
            if self._file is None:
                self._file = _open_for_appending(self.path)
            self._file.write(dump_json(line).encode("utf-8") + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise JournalError(
                f"the journal {self.path} cannot be written ({error.strerror}): the run has stopped; "
                "run the same command again, or `retrieval dedupe undo`, once that is mended"
            ) from error

    def _replay(self, line: dict[str, Any]) -> None:
        kinds: dict[str, Callable[[], None]] = {
            State.BEGUN: lambda: self._add(step_of(line)),
            State.DONE: lambda: self._set_done(line["step"], None if line["to"] is None else Path(line["to"])),
            "folder": lambda: self.folders.append(Path(line["path"])),
            "end": lambda: setattr(self, "ended", True),
        }
        kind = line["do"]
        kinds.get(kind, lambda: self._set_state(line["step"], State(kind)))()

    def _add(self, step: Step) -> None:
        self.steps[step.number] = step
        self.states[step.number] = State.BEGUN

    def _set_done(self, number: int, to: Path | None) -> None:
        if to is not None:
            self.steps[number] = replace(self.steps[number], to=to)
        self._set_state(number, State.DONE)

    def _set_state(self, number: int, state: State) -> None:
        if number not in self.steps:
            raise KeyError(number)
        self.states[number] = state
        self.undo_begun |= state in (State.UNDOING, State.UNDONE)


def journals(index: Path) -> Iterator[Journal]:
    """Read the runs of an index, the oldest first."""
    folder = index / RUNS_NAME
    for path in sorted(folder.glob(f"*{SUFFIX}"), key=_order) if folder.is_dir() else []:
        journal = Journal.read(path)
        if journal is not None:
            yield journal


def find_journal(index: Path, run: str | None) -> Journal:
    """Return a run by its name, or the last one; raise RunError, naming what there is."""
    found = list(journals(index))
    chosen = [journal for journal in found if run in (None, journal.header.run)]
    if not chosen:
        names = ", ".join(journal.header.run for journal in found[-5:])
        known = f"the last ones are {names}" if names else "this index has none"
        raise RunError(f"there is no run {run}: {known}" if run else "no run has changed files yet: nothing to undo")
    return chosen[-1]


def _order(path: Path) -> tuple[str, int]:
    """Sort "...-03" before "...-03-2" before "...-03-10"."""
    name = path.name.removesuffix(SUFFIX)
    second, number = name[:19], name[20:]
    return second, int(number) if number.isdecimal() else 1


def _create_file(folder: Path, name: str) -> tuple[Path, BinaryIO]:
    number = 1
    while True:
        path = folder / f"{name}{SUFFIX}" if number == 1 else folder / f"{name}-{number}{SUFFIX}"
        try:
            return path, path.open("xb")
        except FileExistsError:
            number += 1


def _open_for_appending(path: Path) -> BinaryIO:
    """Cut off a torn last line: what is appended must begin a line of its own."""
    data = path.read_bytes()
    file = path.open("r+b")
    file.truncate(data.rfind(b"\n") + 1)
    file.seek(0, os.SEEK_END)
    return file


def _parse_header(line: bytes, path: Path) -> Header:
    try:
        document = json.loads(line)
        version = document["format"]
        header = Header(
            document["run"], Mode(document["mode"]), document["plan"], document["started_at"], dict(document["roots"])
        )
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is no journal of this program: move it away") from error
    if version != FORMAT:
        raise RunError(f"the journal {path} has format {version}, this version reads {FORMAT}: upgrade retrieval")
    return header
