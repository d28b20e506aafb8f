"""Chooses which file of a group stays, by rules in a person's order, and explains why. Does not look at the files."""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from retrieval.archive.suffixes import PHOTO_SUFFIXES, RAW_SUFFIXES
from retrieval.dedupe.plan.records import PlannedFile
from retrieval.errors import QueryError, Remedy
from retrieval.text import format_count, format_megapixels, format_size

# The rules, and what each prefers.
RULES = {
    "raw": "camera RAW first, then pictures that have their RAW beside them",
    "format:A>B": "formats in this order, such as format:raw>heic>jpg, then the others",
    "resolution": "more pixels",
    "bytes": "more bytes, that is, less compression",
    "metadata": "more of: date, place, camera, lens, sidecar files",
    "oldest": "the file whose last change is the oldest",
    "newest": "the file whose last change is the newest",
    "path:DIR": "files in this folder; repeat the rule for a second choice",
    "shortest-name": "the shorter file name: IMG_1.jpg before IMG_1 (2).jpg",
    "shortest-path": "the shorter path, folders included",
}
DEFAULT = "raw,resolution,bytes,metadata,oldest"

_SHOWN = 3  # of what others lack
_ALIASES = {"jpg": "JPEG", "jpe": "JPEG", "heic": "HEIF", "hif": "HEIF", "tif": "TIFF"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may stay, with what the rules look at."""

    file: PlannedFile
    has_place: bool = False
    camera: str | None = None
    lens: str | None = None
    has_raw: bool = False  # the RAW of the same shot lies beside it
    sidecars: int = 0  # files beside it that hold somebody's work on it

    @property
    def is_raw(self) -> bool:
        """Whether it is camera RAW, by its contents if they are known, otherwise by its name."""
        if self.file.format is not None:
            return self.file.format == "RAW"
        return self.file.path.suffix.lower() in RAW_SUFFIXES

    @property
    def metadata(self) -> tuple[str, ...]:
        """What is known of it apart from its pixels, by name."""
        known = {"date": self.file.taken_at, "place": self.has_place, "camera": self.camera, "lens": self.lens}
        names = tuple(name for name, value in known.items() if value)
        return (*names, format_count(self.sidecars, "sidecar")) if self.sidecars else names

    @property
    def richness(self) -> int:
        """How much is known of it apart from its pixels."""
        return len(self.metadata) + max(self.sidecars - 1, 0)


@dataclass(frozen=True, slots=True)
class KeepRule:
    """One preference. `value` is the folder for `path`, the formats for `format`."""

    name: str
    value: str = ""

    def rank(self, candidate: Candidate) -> int:
        """Return a rank for which the lowest candidate is preferred. What is unknown counts as nothing."""
        return _RANKS[self.name](candidate, self.value)

    def explain(self, keeper: Candidate, beaten: Sequence[Candidate]) -> str:
        """Say what the keeper has that the candidates which this rule ranks lower lack."""
        return _EXPLANATIONS[self.name](keeper, beaten, self.value)


def parse(rules: str | Iterable[str]) -> tuple[KeepRule, ...]:
    """Read rules in order, separated by commas. A double comma is a comma in the name of a folder.

    Raises QueryError for a rule that is not one of RULES.
    """
    try:
        texts = [rules] if isinstance(rules, str) else [str(text) for text in rules]
    except TypeError as error:
        raise QueryError(f"{rules!r} is not a list of rules") from error
    pieces = [piece for text in texts for piece in re.split("(?<!,),(?!,)", text)]
    return tuple(_rule(piece.strip().replace(",,", ",")) for piece in pieces if piece.strip())


def _rule(text: str) -> KeepRule:
    name, _, value = text.partition(":")
    name = name.strip().lower()
    takes_value = {rule.partition(":")[0]: ":" in rule for rule in RULES}
    if name not in takes_value or takes_value[name] != bool(value.strip()):
        raise QueryError(f"there is no rule {text!r} for which file stays", Remedy.KEEP_RULES, rules=", ".join(RULES))
    if name == "path":
        return KeepRule(name, str(Path(os.path.abspath(Path(value.strip()).expanduser()))))  # noqa: PTH100 - keeps links
    return KeepRule(name, _formats(value) if name == "format" else "")


def _formats(value: str) -> str:
    names = [name.strip().lower().removeprefix(".") for name in value.split(">")]
    for name in names:
        if name != "raw" and f".{name}" not in PHOTO_SUFFIXES:
            what = f"the rule format:{value} has {name!r}, which is not a photo format"
            raise QueryError(what, Remedy.FORMAT_RULE)
    return ">".join(names)


def preferred_first(candidates: Iterable[Candidate], rules: Sequence[KeepRule]) -> tuple[Candidate, ...]:
    """Sort candidates, the keeper first: protected files, then by the rules, then by the shorter name and by path."""

    def key(candidate: Candidate) -> tuple[Any, ...]:
        path = candidate.file.path
        ranks = (rule.rank(candidate) for rule in rules)
        return not candidate.file.protected, *ranks, len(path.name), len(str(path)), str(path)

    return tuple(sorted(candidates, key=key))


def why(keeper: Candidate, others: Iterable[Candidate], rules: Sequence[KeepRule], lacking: Iterable[str] = ()) -> str:
    """Say why the keeper comes first: what each rule decided, until no other candidate was left.

    "RAW, then 24.0 megapixels against 12.0 megapixels" means that one of the others is RAW too. `lacking` says of each
    further candidate, about which no rule had to decide, what it lacks that the keeper has.
    """
    others = list(others)
    clauses = []
    if keeper.file.protected:
        clauses = ["in a reference folder"]
        others = [other for other in others if other.file.protected]
    elif lacks := list(dict.fromkeys(lacking)):
        clauses = [f"has what others lack: {'; '.join(lacks[:_SHOWN])}{', ...' if len(lacks) > _SHOWN else ''}"]
    for rule in rules:
        best = rule.rank(keeper)
        beaten = [other for other in others if rule.rank(other) != best]
        if beaten:
            clauses.append(rule.explain(keeper, beaten))
            others = [other for other in others if rule.rank(other) == best]
    if others:  # still equal
        shorter = any(len(other.file.path.name) > len(keeper.file.path.name) for other in others)
        clauses.append(f"equal by all rules: {'the shorter name' if shorter else 'the first by path'}")
    return ", then ".join(clauses)


def _format_rank(candidate: Candidate, value: str) -> int:
    suffix = candidate.file.path.suffix.lower().removeprefix(".")
    names = value.split(">")
    for position, name in enumerate(names):
        if candidate.is_raw if name == "raw" else name == suffix or _is_format(candidate.file, name):
            return position
    return len(names)


def _is_format(file: PlannedFile, name: str) -> bool:
    return file.format is not None and file.format.upper() == _ALIASES.get(name, name.upper())


def _path_rank(candidate: Candidate, folder: str) -> int:
    """Compare as the platform does, ignoring case on Windows."""
    parts, wanted = (PurePath(os.path.normcase(path)).parts for path in (candidate.file.path, folder))
    return 0 if parts[: len(wanted)] == wanted else 1


_RANKS: dict[str, Callable[[Candidate, str], int]] = {
    "raw": lambda candidate, _: 0 if candidate.is_raw else 1 if candidate.has_raw else 2,
    "format": _format_rank,
    "resolution": lambda candidate, _: -candidate.file.pixels,
    "bytes": lambda candidate, _: -candidate.file.size,
    "metadata": lambda candidate, _: -candidate.richness,
    "oldest": lambda candidate, _: candidate.file.mtime_ns,
    "newest": lambda candidate, _: -candidate.file.mtime_ns,
    "path": _path_rank,
    "shortest-name": lambda candidate, _: len(candidate.file.path.name),
    "shortest-path": lambda candidate, _: len(str(candidate.file.path)),
}


def _explain_resolution(keeper: Candidate, beaten: Sequence[Candidate], _: str) -> str:
    theirs = [other.file.pixels for other in beaten]
    return _against(keeper.file.pixels, theirs, format_megapixels, "pixels")


def _explain_bytes(keeper: Candidate, beaten: Sequence[Candidate], _: str) -> str:
    return _against(keeper.file.size, [other.file.size for other in beaten], format_size, "bytes")


def _against(mine: int, theirs: Sequence[int], say: Callable[[int], str], unit: str) -> str:
    """Compare a number with the best of the others, in all its digits if rounding would hide the difference."""
    best = max(theirs)
    limit = "at most " if len(set(theirs)) > 1 else ""
    if say(mine) != say(best):
        return f"{say(mine)} against {limit}{say(best)}"
    return f"{mine:,} {unit} against {limit}{best:,}"


def _explain_time(keeper: Candidate, beaten: Sequence[Candidate], comparative: str) -> str:
    mine = keeper.file.changed_at
    nearest = min((other.file.changed_at for other in beaten), key=lambda time: abs(time - mine))
    if mine.date() != nearest.date():
        return f"{comparative}: {mine:%Y-%m-%d} against {nearest:%Y-%m-%d}"
    return f"{comparative} by {abs(mine - nearest)}"


def _explain_metadata(keeper: Candidate, beaten: Sequence[Candidate], _: str) -> str:
    best = max(beaten, key=lambda other: other.richness)
    return f"richer metadata: {', '.join(keeper.metadata)} against {', '.join(best.metadata) or 'none'}"


_EXPLANATIONS: dict[str, Callable[[Candidate, Sequence[Candidate], str], str]] = {
    "raw": lambda keeper, beaten, value: "RAW" if keeper.is_raw else "its RAW is beside it",
    "format": lambda keeper, beaten, value: f"preferred format: {_format_name(keeper)}",
    "resolution": _explain_resolution,
    "bytes": _explain_bytes,
    "metadata": _explain_metadata,
    "oldest": lambda keeper, beaten, value: _explain_time(keeper, beaten, "older"),
    "newest": lambda keeper, beaten, value: _explain_time(keeper, beaten, "newer"),
    "path": lambda keeper, beaten, value: f"in {value}",
    "shortest-name": lambda keeper, beaten, value: "shorter name",
    "shortest-path": lambda keeper, beaten, value: "shorter path",
}


def _format_name(candidate: Candidate) -> str:
    return candidate.file.format or candidate.file.path.suffix.removeprefix(".").upper()
