"""The two ways to ask the detector: about two files alone, and about a whole archive."""

from collections import defaultdict
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
    from retrieval.decode.photo import decode
    from retrieval.dedupe.alike.compare import same_picture
    from retrieval.errors import PhotoError

    try:
        images = [decode(path.read_bytes(), name=path.name).image for path in (first, second)]
    except PhotoError as error:
        return Compared(None, str(error))
    verdict = same_picture(*images)
    return Compared(verdict.kind, verdict.reason) if verdict else Compared(None)


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


def whole_archive(sets: Iterable[Set], archive: Path, index: Path, model: str) -> Iterator[Judgement]:
    """Index the archive, find duplicates of all kinds, and judge every removal in the plan."""
    from retrieval import Index
    from retrieval.dedupe.plan.records import Action

    sets = list(sets)
    with Index.open(index) if Index.exists(index) else Index.create(index, model=model) as opened:
        opened.add(archive)
        findings = opened.duplicates()
    offered: dict[str, list[tuple[str, str, str]]] = defaultdict(list)  # by set: what would go, what stays, why
    called: dict[frozenset[str], tuple[str, str]] = {}
    by_folder = {one.folder: one for one in sets}
    for group in (*findings.plan.groups, *findings.related):
        keeper = group.keeper.path.relative_to(archive).as_posix()
        for member in group.members:
            name = member.file.path.relative_to(archive).as_posix()
            kind = str(group.kind)
            called[frozenset((name, keeper))] = kind, member.reason
            if kind in OFFERED and member.action is Action.REMOVE:
                offered[_folder(name)].append((name, keeper, f"{kind}: {member.reason}"))
    for one in sets:
        yield from _of_set(one, offered.get(one.folder, []), called)
    for folder, removals in offered.items():
        for name, keeper, reason in removals:
            if _folder(keeper) != folder and folder in by_folder:
                yield Judgement("files of two sets", "", keeper, name, Outcome.WRONG, reason.split(":")[0], reason)


def _of_set(
    one: Set, offered: list[tuple[str, str, str]], called: dict[frozenset[str], tuple[str, str]]
) -> Iterator[Judgement]:
    """One judgement for each pair of a set: a pair is offered if one of its files goes for the other."""
    for pair in one.pairs():
        names = [f"{one.folder}/{name}" for name in pair]
        kind, reason = called.get(frozenset(names), ("", ""))
        gone = [(name, why) for name, keeper, why in offered if {name, keeper} == set(names)]
        if kind in OFFERED and not gone:
            kind = ""  # in a group, but both stay
        first_stays = gone[0][0] == names[1] if gone else None
        yield _judgement(one, names, judged(one.expectation, kind or None, first_stays), kind, reason)


def _folder(name: str) -> str:
    return name.rpartition("/")[0]
