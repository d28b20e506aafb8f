"""Finds duplicates in an index and makes a plan of them."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from retrieval.dedupe.groups import keep_rules
from retrieval.dedupe.groups.files import FindScope, GroupFiles
from retrieval.dedupe.groups.keep_rules import KeepRule
from retrieval.dedupe.groups.offered import OfferedGroups
from retrieval.dedupe.groups.reference import indexed_references, indexed_rules
from retrieval.dedupe.groups.related import RelatedGroups
from retrieval.dedupe.groups.split_shots import keep_split_shots
from retrieval.dedupe.plan.records import LOSSLESS, Action, Group, Kind, Plan
from retrieval.errors import QueryError
from retrieval.filters import Filter
from retrieval.lock import writing
from retrieval.query.resolve import resolve_filter, select_photos
from retrieval.records import Progress
from retrieval.store import Store

# The kinds that are known by comparing pictures.
_MATCHED = (Kind.SAME_PIXELS, Kind.NEAR, Kind.ALTERED, Kind.OVERLAP, Kind.SAME_SCENE)
_ONE_SHOT = (Kind.SAME_PIXELS, Kind.NEAR, Kind.ALTERED, Kind.RAW_JPEG)  # what tells the two files of a shot


@dataclass(frozen=True, slots=True)
class FindOptions:
    """What to find, and which files to keep."""

    kinds: Collection[Kind] | None = None  # None: all; then the plan has only what loses nothing
    keep: str | Sequence[str] = keep_rules.DEFAULT  # rules in order, see keep_rules.RULES
    keep_lesser: bool = False  # the rules also choose between a file and one that has more: what goes is lost
    min_score: float = 0.0  # of near pairs, 0 to 1
    scope: FindScope = field(default_factory=FindScope)
    filter: Filter | None = None  # only files that it chooses take part
    workers: int = 2  # threads that compare


@dataclass(frozen=True, slots=True)
class Findings:
    """The plan, and groups outside it."""

    plan: Plan
    related: tuple[Group, ...] = ()  # files that belong together but all stay, such as those of a burst
    compared: int = 0  # contents that were new and were compared with all others


def find(store: Store, options: FindOptions, progress: Callable[[Progress], None] = lambda _now: None) -> Findings:
    """Find groups of duplicates. Compares what is new in the index with everything, and remembers what it found.

    Changes nothing outside the index folder. Raises QueryError for invalid options, for a reference folder without
    indexed photos and for a filter that names what the index does not know, IndexLockedError while another process
    writes to the index.
    """
    kinds = _checked_kinds(options)
    rules = keep_rules.parse(options.keep)
    store.reload()
    scope = replace(options.scope, reference=indexed_references(store, options.scope.reference))
    options, rules = replace(options, scope=scope), indexed_rules(store, rules)
    resolve_filter(store, options.filter or Filter())  # a typing error must not come to light after hours of comparing
    compared = 0
    if kinds.intersection(_MATCHED):
        from retrieval.dedupe.alike.scan import Scan  # OpenCV and FAISS, which exact groups do without

        with writing(store.folder):
            store.reload()  # another writer may have added a root meanwhile
            compared = Scan(store, options.workers, progress).update()
    groups = _groups(store, options, kinds, rules)
    asked = [group for group in groups if options.kinds is not None or group.kind in LOSSLESS]
    related = [group for group in groups if options.kinds is None and group.kind not in LOSSLESS]
    plan = Plan(
        created_at=datetime.now().astimezone().isoformat(timespec="seconds"),
        index=store.folder.absolute(),
        model=store.manifest.model.name,
        groups=_numbered(asked),
    )
    return Findings(plan, _numbered(related), compared)


def _groups(store: Store, options: FindOptions, kinds: frozenset[Kind], rules: tuple[KeepRule, ...]) -> list[Group]:
    """Make the groups of some kinds, those to remove first: a file that one group removes is in no later one."""
    catalogue = store.catalogue
    files = GroupFiles(store.manifest, options.scope, rules, select_photos(store, options.filter))
    matches = catalogue.matches.all() if kinds - {Kind.EXACT, Kind.BURST} else []
    of_kind = {kind: [match for match in matches if match.kind == kind] for kind in (*_MATCHED, Kind.RAW_JPEG)}
    alike = [match for kind in LOSSLESS[1:] if kind in kinds for match in of_kind[kind]]
    removes_altered = options.kinds is not None and Kind.ALTERED in kinds
    offered = OfferedGroups(catalogue, files, options.keep_lesser)
    groups = [*offered.exact()] if Kind.EXACT in kinds else []
    groups += offered.alike(match for match in alike if match.score >= options.min_score)
    groups += offered.altered(of_kind[Kind.ALTERED]) if removes_altered else ()
    groups = keep_split_shots(groups)
    removed = {member.file.path for group in groups for member in group.members if member.action is Action.REMOVE}
    related = RelatedGroups(catalogue, files, removed)
    for kind in (Kind.OVERLAP, Kind.SAME_SCENE) if removes_altered else (Kind.ALTERED, Kind.OVERLAP, Kind.SAME_SCENE):
        if kind in kinds:
            groups += related.matched(kind, of_kind[kind], bursts_apart=Kind.BURST in kinds)
    groups += related.bursts() if Kind.BURST in kinds else ()
    if Kind.RAW_JPEG in kinds:
        groups += related.raw_twins(match for kind in _ONE_SHOT for match in of_kind[kind])
    return groups


def _checked_kinds(options: FindOptions) -> frozenset[Kind]:
    """Return the kinds to find; raise QueryError for options that are not valid."""
    if not 0 <= options.min_score <= 1:  # false for NaN as well
        raise QueryError(f"the least score is {options.min_score}, not between 0 and 1")
    if options.workers < 1:
        raise QueryError(f"{options.workers} threads cannot compare: give 1 or more")
    if options.scope.across and options.scope.across[0] == options.scope.across[1]:
        raise QueryError(f"{options.scope.across[0]} cannot be compared with itself")
    try:
        return frozenset(Kind if options.kinds is None else map(Kind, options.kinds))
    except ValueError as error:
        raise QueryError(f"{error}: the kinds are {', '.join(Kind)}") from error


def _numbered(groups: Iterable[Group]) -> tuple[Group, ...]:
    order = sorted(groups, key=lambda group: (list(Kind).index(group.kind), str(group.keeper.path)))
    return tuple(replace(group, number=number) for number, group in enumerate(order, start=1))
