"""Which file of a group stays, by rules that a person puts in order, and why, in words. Looks at no file itself."""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from retrieval.archive.suffixes import PHOTO_SUFFIXES, RAW_SUFFIXES
from retrieval.dedupe.plan.records import PlannedFile
from retrieval.errors import QueryError
from retrieval.text import format_count, format_megapixels, format_size

# What `--keep` takes, and what each prefers.
RULES = {
    "raw": "camera RAW before all other formats, and pictures with their RAW beside them before others",
    "format:A>B": "formats in this order, such as format:raw>heic>jpg; others after them",
    "resolution": "more pixels",
    "bytes": "more bytes: less compressed",
    "metadata": "more of date, place, camera, lens and sidecar files",
    "oldest": "the file that was last changed longest ago",
    "newest": "the file that was last changed most recently",
    "path:DIR": "files in this folder; repeat it for a second choice",
    "shortest-name": "the shorter file name: IMG_1.jpg before IMG_1 (2).jpg",
    "shortest-path": "the shorter path, folders included",
}
DEFAULT = "raw,resolution,bytes,metadata,oldest"

_ALIASES = {"jpg": "JPEG", "jpe": "JPEG", "heic": "HEIF", "hif": "HEIF", "tif": "TIFF"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that could stay, with what the rules ask of it."""

    file: PlannedFile
    has_place: bool = False
    camera: str | None = None
    lens: str | None = None
    has_raw: bool = False  # the RAW of the same shot lies beside it
    sidecars: int = 0  # files beside it that hold somebody's work on it

    @property
    def is_raw(self) -> bool:
        """By its contents where they are known, else by its name."""
        if self.file.format is not None:
            return self.file.format == "RAW"
        return self.file.path.suffix.lower() in RAW_SUFFIXES

    @property
    def metadata(self) -> tuple[str, ...]:
        """Name what is known of it beside its pixels."""
        known = {"date": self.file.taken_at, "place": self.has_place, "camera": self.camera, "lens": self.lens}
        names = tuple(name for name, value in known.items() if value)
        return (*names, format_count(self.sidecars, "sidecar")) if self.sidecars else names

    @property
    def richness(self) -> int:
        """Count the same."""
        return len(self.metadata) + max(self.sidecars - 1, 0)


@dataclass(frozen=True, slots=True)
class KeepRule:
    """One preference; `value` is the folder of `path`, the formats of `format`."""

    name: str
    value: str = ""

    def rank(self, candidate: Candidate) -> int:
        """Return how far from preferred a candidate is: the lowest stays. What is not known counts as nothing."""
        return _RANKS[self.name](candidate, self.value)

    def words(self, keeper: Candidate, beaten: Sequence[Candidate]) -> str:
        """Say what the keeper has that those which this rule put behind it have not."""
        return _WORDS[self.name](keeper, beaten, self.value)


def parse(rules: str | Iterable[str]) -> tuple[KeepRule, ...]:
    """Read rules in order, separated by commas; two commas together are one that belongs to a folder's name.

    Raises QueryError for a name that is none of RULES.
    """
    texts = [rules] if isinstance(rules, str) else list(rules)
    pieces = [piece for text in texts for piece in re.split("(?<!,),(?!,)", text)]
    return tuple(_rule(piece.strip().replace(",,", ",")) for piece in pieces if piece.strip())


def _rule(text: str) -> KeepRule:
    name, _, value = text.partition(":")
    name = name.strip().lower()
    takes_value = {rule.partition(":")[0]: ":" in rule for rule in RULES}
    if name not in takes_value or takes_value[name] != bool(value.strip()):
        raise QueryError(f"--keep knows no rule {text!r}: choose among {', '.join(RULES)}")
    if name == "path":
        return KeepRule(name, str(Path(os.path.abspath(Path(value.strip()).expanduser()))))  # noqa: PTH100 - keeps links
    return KeepRule(name, _formats(value) if name == "format" else "")


def _formats(value: str) -> str:
    names = [name.strip().lower().removeprefix(".") for name in value.split(">")]
    for name in names:
        if name != "raw" and f".{name}" not in PHOTO_SUFFIXES:
            raise QueryError(f"--keep format:{value}: {name!r} is no format of photos; write it as format:raw>heic>jpg")
    return ">".join(names)


def ordered(candidates: Iterable[Candidate], rules: Sequence[KeepRule]) -> tuple[Candidate, ...]:
    """Sort, the keeper first: protected files, then by the rules, at last by the shorter name and by path."""

    def key(candidate: Candidate) -> tuple[Any, ...]:
        path = candidate.file.path
        ranks = (rule.rank(candidate) for rule in rules)
        return not candidate.file.protected, *ranks, len(path.name), len(str(path)), str(path)

    return tuple(sorted(candidates, key=key))


def why(keeper: Candidate, others: Iterable[Candidate], rules: Sequence[KeepRule]) -> str:
    """Say why `ordered` puts the keeper first: what each rule decided, until no other was left.

    "RAW, then 24.0 megapixels against 12.0 megapixels" tells that one of the others is a RAW too.
    """
    others = list(others)
    clauses = []
    if keeper.file.protected:
        clauses = ["in a reference folder"]
        others = [other for other in others if other.file.protected]
    for rule in rules:
        best = rule.rank(keeper)
        beaten = [other for other in others if rule.rank(other) != best]
        if beaten:
            clauses.append(rule.words(keeper, beaten))
            others = [other for other in others if rule.rank(other) == best]
    if others:
        shorter = any(len(other.file.path.name) > len(keeper.file.path.name) for other in others)
        clauses.append(f"alike in what was asked for: {'the shorter name' if shorter else 'the first by path'}")
    return ", then ".join(clauses)


def _format_rank(candidate: Candidate, value: str) -> int:
    suffix = candidate.file.path.suffix.lower().removeprefix(".")
    names = value.split(">")
    for place, name in enumerate(names):
        if candidate.is_raw if name == "raw" else name == suffix or _is_format(candidate.file, name):
            return place
    return len(names)


def _is_format(file: PlannedFile, name: str) -> bool:
    return file.format is not None and file.format.upper() == _ALIASES.get(name, name.upper())


def _path_rank(candidate: Candidate, folder: str) -> int:
    """Compare as the platform does: without regard to case on Windows."""
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


def _resolution_words(keeper: Candidate, beaten: Sequence[Candidate], _: str) -> str:
    theirs = [other.file.pixels for other in beaten]
    return _against(keeper.file.pixels, theirs, format_megapixels, "pixels")


def _bytes_words(keeper: Candidate, beaten: Sequence[Candidate], _: str) -> str:
    return _against(keeper.file.size, [other.file.size for other in beaten], format_size, "bytes")


def _against(mine: int, theirs: Sequence[int], say: Callable[[int], str], unit: str) -> str:
    """Set a number against the best of the others; to the last digit where rounding hides the difference."""
    best = max(theirs)
    limit = "at most " if len(set(theirs)) > 1 else ""
    if say(mine) != say(best):
        return f"{say(mine)} against {limit}{say(best)}"
    return f"{mine:,} {unit} against {limit}{best:,}"


def _time_words(keeper: Candidate, beaten: Sequence[Candidate], comparative: str) -> str:
    mine = keeper.file.changed_at
    nearest = min((other.file.changed_at for other in beaten), key=lambda time: abs(time - mine))
    if mine.date() != nearest.date():
        return f"{comparative}: {mine:%Y-%m-%d} against {nearest:%Y-%m-%d}"
    return f"{comparative} by {abs(mine - nearest)}"


def _metadata_words(keeper: Candidate, beaten: Sequence[Candidate], _: str) -> str:
    best = max(beaten, key=lambda other: other.richness)
    return f"richer metadata: {', '.join(keeper.metadata)} against {', '.join(best.metadata) or 'none'}"


_WORDS: dict[str, Callable[[Candidate, Sequence[Candidate], str], str]] = {
    "raw": lambda keeper, beaten, value: "RAW" if keeper.is_raw else "its RAW is beside it",
    "format": lambda keeper, beaten, value: f"preferred format: {_format_name(keeper)}",
    "resolution": _resolution_words,
    "bytes": _bytes_words,
    "metadata": _metadata_words,
    "oldest": lambda keeper, beaten, value: _time_words(keeper, beaten, "older"),
    "newest": lambda keeper, beaten, value: _time_words(keeper, beaten, "newer"),
    "path": lambda keeper, beaten, value: f"in {value}",
    "shortest-name": lambda keeper, beaten, value: "shorter name",
    "shortest-path": lambda keeper, beaten, value: "shorter path",
}


def _format_name(candidate: Candidate) -> str:
    return candidate.file.format or candidate.file.path.suffix.removeprefix(".").upper()
