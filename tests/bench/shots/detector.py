"""The two ways to ask the detector: about two files alone, and about a whole archive."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from shots.archive import Set
from shots.expectations import OFFERED, Outcome, judged


@dataclass(frozen=True, slots=True)
class Judgement:
    """One pair of a set, or two files of different sets, and what became of it."""

    category: str
    size: str
    first: str  # within the archive
    second: str
    outcome: Outcome
    kind: str = ""  # that the detector gave
    reason: str = ""
    told: str = ""
    place: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """What the pair test says of two files."""

    kind: str | None
    reason: str = ""
    first_stays: bool | None = None  # None where it does not say


def compare(first: Path, second: Path) -> Compared:
    """Ask the pair test about two files. Nothing else in these benchmarks calls it."""
    from retrieval.dedupe.alike.compare import compare_files
    from retrieval.dedupe.alike.photo_file import PhotoFile
    from retrieval.errors import PhotoError

    try:
        verdict = compare_files(PhotoFile.read(first), PhotoFile.read(second))
    except PhotoError as error:
        return Compared(None, str(error))
    if verdict is None:
        return Compared(None)
    lacks = bool(verdict.first_lacks), bool(verdict.second_lacks)
    if verdict.kind in ("near", "same-pixels") and all(lacks):
        return Compared("overlap", f"each lacks: {verdict.first_lacks} | {verdict.second_lacks}")
    stays = {(False, True): True, (True, False): False}.get(lacks)
    return Compared(verdict.kind, verdict.reason, stays)


def each_pair(one: Set, archive: Path) -> Iterator[Judgement]:
    """Judge the pairs of a set, each by itself."""
    for pair in one.pairs():
        names = [f"{one.folder}/{name}" for name in pair]
        said = compare(*(archive / name for name in names))
        outcome = judged(one.expectation, said.kind, said.first_stays)
        yield _judgement(one, names, outcome, said.kind or "", said.reason)


def _judgement(one: Set, names: list[str], outcome: Outcome, kind: str, reason: str) -> Judgement:
    place = (float(one.x), float(one.y)) if one.x else None
    return Judgement(one.category, one.size, *names, outcome, kind, reason, one.told, place)


@dataclass(frozen=True, slots=True)
class Link:
    """A file in a group, and the group's keeper."""

    kind: str
    file: str  # within the archive
    keeper: str
    offered: bool  # for removal
    reason: str = ""


def whole_archive(sets: Iterable[Set], archive: Path, index: Path, model: str) -> list[Judgement]:
    """Index the archive, find duplicates of all kinds, and judge every removal in the plan."""
    from retrieval import Index
    from retrieval.dedupe.plan.records import Action

    with Index.open(index) if Index.exists(index) else Index.create(index, model=model) as opened:
        opened.add(archive)
        findings = opened.duplicates()
    links = [
        Link(
            str(group.kind),
            member.file.path.relative_to(archive).as_posix(),
            group.keeper.path.relative_to(archive).as_posix(),
            member.action is Action.REMOVE,
            member.reason,
        )
        for group in (*findings.plan.groups, *findings.related)
        for member in group.members
    ]
    return list(judged_links(list(sets), links))


def judged_links(sets: list[Set], links: list[Link]) -> Iterator[Judgement]:
    """One judgement for each pair of each set, and one for each removal in favour of another set's file."""
    by_pair: dict[frozenset[str], Link] = {}
    for link in links:
        by_pair.setdefault(frozenset((link.file, link.keeper)), link)
    for one in sets:
        for pair in one.pairs():
            names = [f"{one.folder}/{name}" for name in pair]
            yield _of_pair(one, names, by_pair.get(frozenset(names)))
    folders = {one.folder for one in sets}
    for link in links:
        across = _folder(link.file) != _folder(link.keeper)
        if across and link.offered and link.kind in OFFERED and {_folder(link.file), _folder(link.keeper)} <= folders:
            yield Judgement("files of two sets", "", link.keeper, link.file, Outcome.WRONG, link.kind, link.reason)


def _of_pair(one: Set, names: list[str], link: Link | None) -> Judgement:
    if link is None or (link.kind in OFFERED and not link.offered):  # in a group, but both stay
        return _judgement(one, names, judged(one.expectation, None), "", "")
    outcome = judged(one.expectation, link.kind, first_stays=link.keeper == names[0])
    return _judgement(one, names, outcome, link.kind, link.reason)


def _folder(name: str) -> str:
    return name.rpartition("/")[0]
