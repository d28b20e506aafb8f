"""Groups of files to remove: of each, a file stays that has all that the others have, or the plan says what is lost."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from retrieval.catalogue.catalogue import CatalogueView
from retrieval.catalogue.copies import Copy
from retrieval.catalogue.matches import Match
from retrieval.dedupe.alike.shot_times import are_different_shots
from retrieval.dedupe.groups import keep_rules
from retrieval.dedupe.groups.files import GroupFile, GroupFiles, without_hard_links
from retrieval.dedupe.groups.matched import MatchedFiles
from retrieval.dedupe.groups.stars import containers_first, stars
from retrieval.dedupe.plan.records import Action, Group, Kind, Member

_Pair = Callable[[GroupFile, GroupFile], bool]


@dataclass(slots=True)
class OfferedGroups:
    """Makes the groups of one call, kind by kind: a file that one kind removes is in no later group."""

    catalogue: CatalogueView
    files: GroupFiles
    keep_lesser: bool = False  # the rules also choose between a file and one that has more
    removed: set[Path] = field(default_factory=set)
    kept: set[Path] = field(default_factory=set)  # for files with other bytes

    def exact(self) -> Iterator[Group]:
        """Files with the same bytes."""
        copies = self.catalogue.copies.of(self.catalogue.contents.repeated().tolist())
        for same in _by_content(copies).values():
            files = without_hard_links(self.files.from_copies(same))

            def allowed(keeper: GroupFile, files: Sequence[GroupFile] = files) -> Iterable[GroupFile]:
                scope = self.files.scope
                return (file for file in files if not file.file.protected and scope.allows(keeper.path, file.path))

            for keeper, members in stars(files, allowed):
                found = [Member(member.file, Action.REMOVE, "same bytes", 1.0, 1.0) for member in members]
                yield self._group(Kind.EXACT, keeper, found, self._why(keeper, members))

    def alike(self, matches: Iterable[Match]) -> Iterator[Group]:
        """Files of whose picture the keeper has everything. Of files with the same bytes, only what `exact` keeps."""
        matched = MatchedFiles(self.files, self.catalogue.copies, matches, self.removed)

        def replaces(keeper: GroupFile, member: GroupFile) -> bool:
            whole = not matched.lacks(keeper, member)
            return whole or (self.keep_lesser and not matched.lacks(member, keeper))

        for keeper, members in self._stars(matched, replaces):
            kind = max((Kind(matched.proof(keeper, member).kind) for member in members), key=list(Kind).index)
            self.kept.add(keeper.path)
            yield self._matched_group(kind, keeper, members, matched)

    def altered(self, matches: Iterable[Match]) -> Iterator[Group]:
        """Files of one shot that show something which their keeper lacks. The keepers of other groups stay."""
        matched = MatchedFiles(self.files, self.catalogue.copies, matches, self.removed)

        def replaces(keeper: GroupFile, member: GroupFile) -> bool:
            return self.keep_lesser or not _is_lesser(matched, keeper, member)

        for keeper, members in self._stars(matched, replaces):
            yield self._matched_group(Kind.ALTERED, keeper, members, matched)

    def _stars(self, matched: MatchedFiles, replaces: _Pair) -> list[tuple[GroupFile, list[GroupFile]]]:
        def to_go(keeper: GroupFile) -> Iterable[GroupFile]:
            return (member for member in self._candidates(matched, keeper) if replaces(keeper, member))

        def lesser(file: GroupFile) -> Iterable[GroupFile]:
            return (other for other in self._candidates(matched, file) if _is_lesser(matched, other, file))

        protected = [file for file in matched.in_order if file.file.protected]
        others = [file for file in matched.in_order if not file.file.protected]
        return stars([*protected, *(others if self.keep_lesser else containers_first(others, lesser))], to_go)

    def _candidates(self, matched: MatchedFiles, keeper: GroupFile) -> Iterator[GroupFile]:
        """Yield the files that match one and may go for it.

        The frames of a burst may not, nor may files in a reference folder. RAW and picture may not go for each other,
        nor may the files of one shot.
        """
        for other in matched.of(keeper):
            if other.file.protected or keeper.candidate.is_raw != other.candidate.is_raw:
                continue
            if are_different_shots(keeper.copy, other.copy) or other.path in self.files.rest_of_shot(keeper.path):
                continue
            yield other

    def _matched_group(
        self, kind: Kind, keeper: GroupFile, members: Sequence[GroupFile], matched: MatchedFiles
    ) -> Group:
        lesser = [member for member in members if _is_lesser(matched, member, keeper)]
        lacking = () if self.keep_lesser else [matched.lacks(member, keeper) for member in lesser]
        decided = members if self.keep_lesser else [member for member in members if member not in lesser]
        why = self._why(keeper, decided, lacking)
        lost = [matched.lacks(keeper, member) for member in members]
        if kind is not Kind.ALTERED and any(lost):
            why += f", although it lacks {'; '.join(dict.fromkeys(filter(None, lost)))}"
        found = [self._member(kind, keeper, member, matched) for member in members]
        return self._group(kind, keeper, found, why)

    def _member(self, kind: Kind, keeper: GroupFile, file: GroupFile, matched: MatchedFiles) -> Member:
        proof = matched.proof(keeper, file)
        stays = kind is Kind.ALTERED and file.path in self.kept
        return Member(
            file.file,
            Action.KEEP if stays else Action.REMOVE,
            f"{proof.reason}; stays as the keeper of other files" if stays else proof.reason,
            proof.cosine,
            proof.score,
            would_lose=matched.lacks(keeper, file),
            places=matched.places(file, keeper),
            keeper_places=matched.places(keeper, file),
        )

    def _group(self, kind: Kind, keeper: GroupFile, members: Iterable[Member], why: str) -> Group:
        found = []
        for member in members:
            if member.action is Action.REMOVE:
                self.removed.add(member.file.path)
                member = replace(member, along=self.files.rest_of_shot(member.file.path))
            found.append(member)
        return Group(0, kind, keeper.file, why, tuple(found))

    def _why(self, keeper: GroupFile, others: Iterable[GroupFile], lacking: Iterable[str] = ()) -> str:
        candidates = [other.candidate for other in others]
        return keep_rules.why(keeper.candidate, candidates, self.files.rules, lacking)


def _is_lesser(matched: MatchedFiles, file: GroupFile, other: GroupFile) -> bool:
    """Tell whether a file lacks something that another has, and has nothing of its own."""
    return bool(matched.lacks(file, other)) and not matched.lacks(other, file)


def _by_content(copies: Iterable[Copy]) -> dict[int, list[Copy]]:
    found: dict[int, list[Copy]] = defaultdict(list)
    for copy in copies:
        found[copy.content].append(copy)
    return found
