"""Finds duplicates in an index and makes a plan of them."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from retrieval.archive.suffixes import PHOTO_SUFFIXES
from retrieval.catalogue.copies import Copy
from retrieval.catalogue.matches import Match
from retrieval.dedupe.groups import keep_rules
from retrieval.dedupe.groups.bursts import are_different_shots, bursts, camera_time
from retrieval.dedupe.groups.files import FindScope, GroupFile, GroupFiles, without_hard_links
from retrieval.dedupe.groups.stars import stars
from retrieval.dedupe.plan.records import Action, Group, Kind, Member, Plan
from retrieval.errors import QueryError
from retrieval.filters import Filter
from retrieval.lock import writing
from retrieval.query.resolve import resolve_filter, select_photos
from retrieval.records import Progress
from retrieval.store import Store


@dataclass(frozen=True, slots=True)
class FindOptions:
    """What to find, and which files to keep."""

    kinds: Collection[Kind] | None = None  # None: all, with bursts and RAW+JPEG outside the plan
    keep: str | Sequence[str] = keep_rules.DEFAULT  # rules in order, see keep_rules.RULES
    min_score: float = 0.0  # of near pairs, 0 to 1
    scope: FindScope = field(default_factory=FindScope)
    filter: Filter | None = None  # only files that it chooses take part
    workers: int = 2  # threads that compare


@dataclass(frozen=True, slots=True)
class Findings:
    """The plan, and groups outside it."""

    plan: Plan
    related: tuple[Group, ...] = ()  # bursts and RAW+JPEG: files that belong together but are not duplicates
    compared: int = 0  # contents that were new and were compared with all others


def find(store: Store, options: FindOptions, progress: Callable[[Progress], None] = lambda _now: None) -> Findings:
    """Find groups of duplicates. Compares what is new in the index with everything, and remembers what it found.

    Changes nothing outside the index folder. Raises QueryError for invalid options and for a filter that names what the
    index does not know, IndexLockedError while another process writes to the index.
    """
    kinds = _checked_kinds(options)
    rules = keep_rules.parse(options.keep)
    store.reload()
    resolve_filter(store, options.filter or Filter())  # a typing error must not come to light after hours of comparing
    compared = 0
    if kinds & {Kind.NEAR, Kind.SAME_PIXELS}:
        from retrieval.dedupe.alike.scan import Scan  # OpenCV and FAISS, which exact groups do without

        with writing(store.folder):
            store.reload()  # another writer may have added a root meanwhile
            compared = Scan(store, options.workers, progress).update()
    files = GroupFiles(store.manifest, options.scope, rules, select_photos(store, options.filter))
    groups = _Groups(store, options, kinds, files)
    removable = keep_split_shots([*groups.exact(), *groups.alike()])
    related = [*groups.bursts(), *groups.raw_twins()]
    in_plan = removable if options.kinds is None else [*removable, *related]
    plan = Plan(
        created_at=datetime.now().astimezone().isoformat(timespec="seconds"),
        index=store.folder.absolute(),
        model=store.manifest.model.name,
        groups=_numbered(in_plan),
    )
    return Findings(plan, _numbered(related) if options.kinds is None else (), compared)


@dataclass(slots=True)
class _Groups:
    """Makes the groups of one call, kind by kind, in this order: a file that one kind removes is in no later group."""

    store: Store
    options: FindOptions
    kinds: frozenset[Kind]
    files: GroupFiles
    removed: set[Path] = field(default_factory=set)

    def exact(self) -> Iterator[Group]:
        """Files with the same bytes."""
        if Kind.EXACT not in self.kinds:
            return
        copies = self.store.catalogue.copies.of(self.store.catalogue.contents.repeated().tolist())
        for same in _by_content(copies).values():
            files = without_hard_links(self.files.from_copies(same))
            for keeper, members in stars(files, lambda file, files=files: self._allowed(file, files)):  # type: ignore[misc]
                yield self._removable(Kind.EXACT, keeper, [(member, "same bytes", 1.0, 1.0) for member in members])

    def alike(self) -> Iterator[Group]:
        """Files that show the same picture. Of files with the same bytes, these have only what `exact` keeps."""
        pairs = [one for one in self.store.catalogue.matches.all() if self._is_wanted(one)]
        alike: dict[int, dict[int, Match]] = defaultdict(dict)
        for pair in pairs:
            alike[pair.first][pair.second] = alike[pair.second][pair.first] = pair
        copies = self.store.catalogue.copies.of(list(alike))
        files = [file for file in self.files.from_copies(copies) if file.path not in self.removed]
        with_content: dict[int, list[GroupFile]] = defaultdict(list)
        for file in files:
            with_content[file.copy.content].append(file)

        def matches(file: GroupFile) -> list[GroupFile]:
            others = [other for content in alike[file.copy.content] for other in with_content[content]]
            return [other for other in self._allowed(file, others) if self._may_be_copy(file, other)]

        for keeper, members in stars(files, matches):
            proofs = [(member, alike[keeper.copy.content][member.copy.content]) for member in members]
            kind = max((Kind(proof.kind) for _, proof in proofs), key=list(Kind).index)
            yield self._removable(kind, keeper, [(m, proof.reason, proof.cosine, proof.score) for m, proof in proofs])

    def _is_wanted(self, pair: Match) -> bool:
        return Kind(pair.kind) in self.kinds and pair.score >= self.options.min_score

    def _allowed(self, file: GroupFile, others: Iterable[GroupFile]) -> list[GroupFile]:
        return [other for other in others if other != file and self.options.scope.allows(file.path, other.path)]

    def _may_be_copy(self, file: GroupFile, other: GroupFile) -> bool:
        """Tell whether two files may be copies: photos of a burst are not, nor are the RAW and JPEG of one shot."""
        is_twin = other.path in self.files.rest_of_shot(file.path)
        return not is_twin and not are_different_shots(file.copy, other.copy)

    def bursts(self) -> Iterator[Group]:
        """Photos that one camera took moments apart, with one file of each shot and of each set of duplicates."""
        if Kind.BURST not in self.kinds:
            return
        for run in bursts(self.store.catalogue.copies.timed()):
            shots = self._one_of_each_shot(self.files.from_copies(run))
            if len(shots) > 1:
                reasons = [(shot, _time_between(shots[0].copy, shot.copy)) for shot in shots[1:]]
                yield self._kept(Kind.BURST, shots[0], reasons)

    def _one_of_each_shot(self, files: Sequence[GroupFile]) -> list[GroupFile]:
        found: dict[int, GroupFile] = {}
        covered: set[Path] = set()
        for file in files:
            if file.path not in self.removed | covered and file.copy.content not in found:
                found[file.copy.content] = file
                covered.update(self.files.rest_of_shot(file.path))
        return list(found.values())

    def raw_twins(self) -> Iterator[Group]:
        """Shots in two files, RAW and JPEG."""
        if Kind.RAW_JPEG not in self.kinds:
            return
        for raw in self.files.from_copies(self.store.catalogue.copies.of_format("RAW")):
            twins = [path for path in self.files.rest_of_shot(raw.path) if path.suffix.lower() in PHOTO_SUFFIXES]
            beside = self.store.catalogue.copies.at(raw.copy.root, [_relative_to_root(raw, twin) for twin in twins])
            pictures = [file for file in self.files.from_copies(beside) if file.copy.format != "RAW"]
            if pictures:
                reason = "one shot: same name, beside the RAW"
                yield self._kept(Kind.RAW_JPEG, raw, [(file, reason) for file in pictures])

    def _removable(self, kind: Kind, keeper: GroupFile, found: Iterable[tuple[GroupFile, str, float, float]]) -> Group:
        members = []
        for file, reason, cosine, score in found:
            action = Action.KEEP if file.file.protected else Action.REMOVE
            along = self.files.rest_of_shot(file.path) if action is Action.REMOVE else ()
            members.append(Member(file.file, action, reason, cosine, score, along))
            self.removed.add(file.path)
        return Group(0, kind, keeper.file, self._why(keeper, members), tuple(members))

    def _kept(self, kind: Kind, keeper: GroupFile, found: Iterable[tuple[GroupFile, str]]) -> Group:
        members = tuple(Member(file.file, Action.KEEP, reason) for file, reason in found)
        return Group(0, kind, keeper.file, "nothing is removed", members)

    def _why(self, keeper: GroupFile, members: Iterable[Member]) -> str:
        others = [self.files.known[member.file.path].candidate for member in members]
        return keep_rules.why(keeper.candidate, others, self.files.rules)


def keep_split_shots(groups: Sequence[Group]) -> list[Group]:
    """Keep a photo whose RAW, or other twin, has no copy that stays: a shot is removed as a whole or not at all."""
    found = list(groups)
    while True:
        removed = {m.file.path for group in found for m in group.members if m.action is Action.REMOVE}
        kept = [replace(group, members=tuple(_kept_with_twins(m, removed) for m in group.members)) for group in found]
        if kept == found:
            return found
        found = kept


def _kept_with_twins(member: Member, removed: set[Path]) -> Member:
    if member.action is Action.KEEP:
        return member
    staying = [path for path in member.along if path.suffix.lower() in PHOTO_SUFFIXES and path not in removed]
    if not staying:
        return member
    reason = f"{member.reason}; stays, because {staying[0].name} of its shot has no copy that stays"
    return replace(member, action=Action.KEEP, reason=reason, along=())


def _checked_kinds(options: FindOptions) -> frozenset[Kind]:
    """Return the kinds to find; raise QueryError for options that are not valid."""
    if not 0 <= options.min_score <= 1:  # false for NaN as well
        raise QueryError(f"the least score is {options.min_score}, not between 0 and 1")
    if options.workers < 1:
        raise QueryError(f"{options.workers} threads cannot compare: give 1 or more")
    try:
        return frozenset(Kind if options.kinds is None else map(Kind, options.kinds))
    except ValueError as error:
        raise QueryError(f"{error}: the kinds are {', '.join(Kind)}") from error


def _by_content(copies: Iterable[Copy]) -> dict[int, list[Copy]]:
    found: dict[int, list[Copy]] = defaultdict(list)
    for copy in copies:
        found[copy.content].append(copy)
    return found


def _time_between(first: Copy, second: Copy) -> str:
    seconds = (camera_time(second.taken_at) - camera_time(first.taken_at)).total_seconds()
    return f"{abs(seconds):.3g} s {'later' if seconds >= 0 else 'earlier'}"


def _relative_to_root(file: GroupFile, twin: Path) -> str:
    folder, slash, _ = file.copy.relative.rpartition("/")
    return f"{folder}{slash}{twin.name}"


def _numbered(groups: Iterable[Group]) -> tuple[Group, ...]:
    order = sorted(groups, key=lambda group: (list(Kind).index(group.kind), str(group.keeper.path)))
    return tuple(replace(group, number=number) for number, group in enumerate(order, start=1))
