"""From an index to a plan: what is exact, same in its pixels or near, and which file of each group stays."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from retrieval.archive.suffixes import PHOTO_SUFFIXES
from retrieval.catalogue.matches import Copy, Match
from retrieval.dedupe.groups import keep_rules
from retrieval.dedupe.groups.bursts import bursts, shot_apart
from retrieval.dedupe.groups.files import Files, Node, Scope, distinct
from retrieval.dedupe.groups.stars import stars
from retrieval.dedupe.plan.records import Action, Group, Kind, Member, Plan
from retrieval.filters import Filter
from retrieval.lock import writing
from retrieval.query.resolve import resolve_filter, select_photos
from retrieval.records import Progress
from retrieval.store import Store


@dataclass(frozen=True, slots=True)
class FindOptions:
    """What to look for, and what to keep."""

    kinds: Collection[Kind] | None = None  # None: all, those that are never removed apart from the plan
    keep: str | Sequence[str] = keep_rules.DEFAULT  # rules in order, see keep_rules.RULES
    min_score: float = 0.0  # of near pairs, 0 to 1
    scope: Scope = field(default_factory=Scope)
    filter: Filter | None = None  # only files that it chooses take part
    workers: int = 2  # threads that compare


@dataclass(frozen=True, slots=True)
class Findings:
    """The plan, and the groups that are told of but not in it."""

    plan: Plan
    apart: tuple[Group, ...] = ()
    compared: int = 0  # contents that were new, and compared with all others


def find(store: Store, options: FindOptions, progress: Callable[[Progress], None] = lambda _now: None) -> Findings:
    """Find groups of duplicates. What is new in the index is compared with everything; what was found is remembered.

    Changes nothing outside the index folder. Raises QueryError for a rule that does not exist or a filter that names
    what the index does not know, IndexLockedError while another process writes to the index.
    """
    rules = keep_rules.parse(options.keep)
    resolve_filter(store, options.filter or Filter())  # a mistyped name must not come to light after hours of comparing
    kinds = frozenset(options.kinds if options.kinds is not None else Kind)
    compared = 0
    if kinds & {Kind.NEAR, Kind.SAME_PIXELS}:
        from retrieval.dedupe.alike.scan import Scan  # OpenCV and FAISS, which exact groups do without

        with writing(store.folder):
            store.reload()
            compared = Scan(store, options.workers, progress).update()
    groups = _Groups(
        store, options, kinds, Files(store.manifest, options.scope, rules, select_photos(store, options.filter))
    )
    removable = whole_shots([*groups.exact(), *groups.alike()])
    apart = [*groups.bursts(), *groups.raw_twins()]
    in_plan = removable if options.kinds is None else [*removable, *apart]
    plan = Plan(
        created_at=datetime.now().astimezone().isoformat(timespec="seconds"),
        index=store.folder.absolute(),
        model=store.manifest.model.name,
        groups=_numbered(in_plan),
    )
    return Findings(plan, _numbered(apart) if options.kinds is None else (), compared)


@dataclass(slots=True)
class _Groups:
    """The groups of one call. The order of the calls matters: a file that one tier removes is in no later one."""

    store: Store
    options: FindOptions
    kinds: frozenset[Kind]
    files: Files
    removed: set[Path] = field(default_factory=set)

    def exact(self) -> Iterator[Group]:
        """Files with the same bytes."""
        if Kind.EXACT not in self.kinds:
            return
        copies = self.store.matches.copies(self.store.matches.repeated().tolist())
        for same in _by_content(copies).values():
            nodes = distinct(self.files.nodes(same))
            for keeper, members in stars(nodes, lambda node, nodes=nodes: self._joined(node, nodes)):  # type: ignore[misc]
                yield self._removable(Kind.EXACT, keeper, [(member, "same bytes", 1.0, 1.0) for member in members])

    def alike(self) -> Iterator[Group]:
        """Files that show the same picture. Of those that have the same bytes, only what `exact` keeps is in these."""
        pairs = [one for one in self.store.matches.matches() if self._wanted(one)]
        alike: dict[int, dict[int, Match]] = defaultdict(dict)
        for pair in pairs:
            alike[pair.first][pair.second] = alike[pair.second][pair.first] = pair
        copies = self.store.matches.copies(list(alike))
        nodes = [node for node in self.files.nodes(copies) if node.path not in self.removed]
        with_content: dict[int, list[Node]] = defaultdict(list)
        for node in nodes:
            with_content[node.copy.content].append(node)

        def matches(node: Node) -> list[Node]:
            others = [other for content in alike[node.copy.content] for other in with_content[content]]
            return [other for other in self._joined(node, others) if self._is_other_shot(node, other)]

        for keeper, members in stars(nodes, matches):
            proofs = [(member, alike[keeper.copy.content][member.copy.content]) for member in members]
            kind = max((Kind(proof.kind) for _, proof in proofs), key=list(Kind).index)
            yield self._removable(kind, keeper, [(m, proof.reason, proof.cosine, proof.score) for m, proof in proofs])

    def _wanted(self, pair: Match) -> bool:
        return Kind(pair.kind) in self.kinds and pair.score >= self.options.min_score

    def _joined(self, node: Node, others: Iterable[Node]) -> list[Node]:
        return [other for other in others if other != node and self.options.scope.joins(node.path, other.path)]

    def _is_other_shot(self, node: Node, other: Node) -> bool:
        """A burst's photos are no copies of each other, nor are RAW and JPEG of one shot."""
        return not shot_apart(node.copy, other.copy) and other.path not in self.files.rest_of_shot(node.path)

    def bursts(self) -> Iterator[Group]:
        """Photos of one camera, moments apart; of duplicates and of RAW and JPEG only one is counted."""
        if Kind.BURST not in self.kinds:
            return
        for run in bursts(self.store.matches.timed()):
            nodes = self._shots(self.files.nodes(run))
            if len(nodes) > 1:
                reasons = [(node, _moments(nodes[0].copy, node.copy)) for node in nodes[1:]]
                yield self._kept(Kind.BURST, nodes[0], reasons)

    def _shots(self, nodes: Sequence[Node]) -> list[Node]:
        found: dict[int, Node] = {}
        covered: set[Path] = set()
        for node in nodes:
            if node.path not in self.removed | covered and node.copy.content not in found:
                found[node.copy.content] = node
                covered.update(self.files.rest_of_shot(node.path))
        return list(found.values())

    def raw_twins(self) -> Iterator[Group]:
        """One shot in two files."""
        if Kind.RAW_JPEG not in self.kinds:
            return
        for raw in self.files.nodes(self.store.matches.of_format("RAW")):
            twins = [path for path in self.files.rest_of_shot(raw.path) if path.suffix.lower() in PHOTO_SUFFIXES]
            beside = self.store.matches.at(raw.copy.root, [_relative(raw, twin) for twin in twins])
            nodes = [node for node in self.files.nodes(beside) if node.copy.format != "RAW"]
            if nodes:
                yield self._kept(Kind.RAW_JPEG, raw, [(node, "one shot: same name, beside the RAW") for node in nodes])

    def _removable(self, kind: Kind, keeper: Node, found: Iterable[tuple[Node, str, float, float]]) -> Group:
        members = []
        for node, reason, cosine, score in found:
            action = Action.KEEP if node.file.protected else Action.REMOVE
            along = self.files.rest_of_shot(node.path) if action is Action.REMOVE else ()
            members.append(Member(node.file, action, reason, cosine, score, along))
            self.removed.add(node.path)
        return Group(0, kind, keeper.file, self._why(keeper, members), tuple(members))

    def _kept(self, kind: Kind, keeper: Node, found: Iterable[tuple[Node, str]]) -> Group:
        members = tuple(Member(node.file, Action.KEEP, reason) for node, reason in found)
        return Group(0, kind, keeper.file, "nothing is removed", members)

    def _why(self, keeper: Node, members: Iterable[Member]) -> str:
        others = [self.files.known[member.file.path].candidate for member in members]
        return keep_rules.why(keeper.candidate, others, self.files.rules)


def whole_shots(groups: Sequence[Group]) -> list[Group]:
    """Keep what cannot leave as a whole: a photo whose RAW, or other twin, has no copy that stays."""
    found = list(groups)
    while True:
        going = {m.file.path for group in found for m in group.members if m.action is Action.REMOVE}
        kept = [replace(group, members=tuple(_with_twins(m, going) for m in group.members)) for group in found]
        if kept == found:
            return found
        found = kept


def _with_twins(member: Member, going: set[Path]) -> Member:
    if member.action is Action.KEEP:
        return member
    staying = [path for path in member.along if path.suffix.lower() in PHOTO_SUFFIXES and path not in going]
    if not staying:
        return member
    reason = f"{member.reason}; stays, for {staying[0].name} of its shot has no copy that stays"
    return replace(member, action=Action.KEEP, reason=reason, along=())


def _by_content(copies: Iterable[Copy]) -> dict[int, list[Copy]]:
    found: dict[int, list[Copy]] = defaultdict(list)
    for copy in copies:
        found[copy.content].append(copy)
    return found


def _moments(first: Copy, second: Copy) -> str:
    seconds = (second.taken_at.replace(tzinfo=None) - first.taken_at.replace(tzinfo=None)).total_seconds()
    return f"{abs(seconds):.3g} s {'later' if seconds >= 0 else 'earlier'}"


def _relative(node: Node, twin: Path) -> str:
    folder, slash, _ = node.copy.relative.rpartition("/")
    return f"{folder}{slash}{twin.name}"


def _numbered(groups: Iterable[Group]) -> tuple[Group, ...]:
    order = sorted(groups, key=lambda group: (list(Kind).index(group.kind), str(group.keeper.path)))
    return tuple(replace(group, number=number) for number, group in enumerate(order, start=1))
