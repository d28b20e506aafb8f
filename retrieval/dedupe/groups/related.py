"""Groups of files that belong together and all stay: parts of a scene, shots of a scene, bursts, RAW and JPEG."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from retrieval.archive.suffixes import PHOTO_SUFFIXES
from retrieval.catalogue.catalogue import CatalogueView
from retrieval.catalogue.copies import Copy
from retrieval.catalogue.matches import Match
from retrieval.dedupe.alike.shot_times import are_different_shots, camera_time
from retrieval.dedupe.groups.bursts import are_of_one_burst, bursts
from retrieval.dedupe.groups.files import GroupFile, GroupFiles
from retrieval.dedupe.groups.matched import MatchedFiles
from retrieval.dedupe.groups.stars import stars
from retrieval.dedupe.groups.twins import Shot, shot_of, twins_elsewhere
from retrieval.dedupe.plan.records import Action, Group, Kind, Member

WHY = "nothing is removed"
_AT_ONCE = 500  # paths that one question to the catalogue names


@dataclass(slots=True)
class RelatedGroups:
    """Makes the groups of one call, without the files that other groups remove."""

    catalogue: CatalogueView
    files: GroupFiles
    removed: Collection[Path]

    def matched(self, kind: Kind, matches: Iterable[Match], *, bursts_apart: bool) -> Iterator[Group]:
        """Files that match in a way that lets none of them go; with `bursts_apart`, bursts have groups of their own."""
        matched = MatchedFiles(self.files, self.catalogue.copies, matches, self.removed)

        def others(file: GroupFile) -> Iterable[GroupFile]:
            found = matched.of(file)
            return (one for one in found if not (bursts_apart and are_of_one_burst(file.copy, one.copy)))

        for first, members in stars(matched.in_order, others):
            yield Group(0, kind, first.file, WHY, tuple(_as_matched(first, member, matched) for member in members))

    def bursts(self) -> Iterator[Group]:
        """Photos that one camera took moments apart, with one file of each shot and of each set of duplicates."""
        for run in bursts(self.catalogue.copies.timed()):
            shots = self._one_of_each_shot(self.files.from_copies(run))
            if len(shots) > 1:
                reasons = [(shot, _time_between(shots[0].copy, shot.copy)) for shot in shots[1:]]
                yield _kept(Kind.BURST, shots[0], reasons)

    def _one_of_each_shot(self, files: Sequence[GroupFile]) -> list[GroupFile]:
        found: dict[int, GroupFile] = {}
        covered: set[Path] = set()
        shots: dict[Shot | None, bool] = {}  # whether the file of a shot is RAW
        for file in files:
            shot, is_raw = shot_of(file.copy), file.candidate.is_raw
            is_twin = file.path in covered or (shot is not None and shots.get(shot, is_raw) != is_raw)
            if not is_twin and file.path not in self.removed and file.copy.content not in found:
                found[file.copy.content] = file
                covered.update(self.files.rest_of_shot(file.path))
                shots[shot] = is_raw
        return list(found.values())

    def raw_twins(self, matches: Iterable[Match]) -> Iterator[Group]:
        """Shots in two files, RAW and picture: of one name, or by what `matches` tells of their pixels."""
        raws = self.catalogue.copies.of_format("RAW")
        pictures: dict[Path, dict[Path, tuple[GroupFile, str]]] = defaultdict(dict)  # by RAW and by picture
        for raw, picture, reason in [*self._twins(raws), *self._matched_twins(matches)]:
            pictures[raw.path].setdefault(picture.path, (picture, reason))
        for raw in self.files.from_copies(raws):
            if found := list(pictures.get(raw.path, {}).values()):
                yield _kept(Kind.RAW_JPEG, raw, found)

    def _twins(self, raws: list[Copy]) -> Iterator[tuple[GroupFile, GroupFile, str]]:
        """Yield the pictures beside a RAW, and then those elsewhere that the same camera wrote."""
        beside = {
            raw: [path for path in self.files.rest_of_shot(raw.path) if path.suffix.lower() in PHOTO_SUFFIXES]
            for raw in self.files.from_copies(raws)
        }
        pictures = self._pictures(_relative_to_root(raw, twin) for raw, twins in beside.items() for twin in twins)
        for raw, twins in beside.items():
            for picture in filter(None, map(pictures.get, twins)):
                yield raw, picture, "one shot: same name, beside the RAW"
        for one, other in twins_elsewhere(raws, self.catalogue.copies.timed()):
            for raw in self.files.from_copies([one]):
                for picture in self.files.from_copies([other]):
                    yield raw, picture, "one shot: same camera, time and name"

    def _pictures(self, places: Iterable[tuple[str, str]]) -> dict[Path, GroupFile]:
        """Return the files that are no RAW at some places, each a root and a path in it."""
        by_root: dict[str, list[str]] = defaultdict(list)
        for root, relative in places:
            by_root[root].append(relative)
        found: dict[Path, GroupFile] = {}
        for root, relatives in by_root.items():
            for start in range(0, len(relatives), _AT_ONCE):
                copies = self.catalogue.copies.at(root, relatives[start : start + _AT_ONCE])
                pictures = self.files.from_copies(copy for copy in copies if copy.format != "RAW")
                found.update((picture.path, picture) for picture in pictures)
        return found

    def _matched_twins(self, matches: Iterable[Match]) -> Iterator[tuple[GroupFile, GroupFile, str]]:
        matched = MatchedFiles(self.files, self.catalogue.copies, matches, self.removed)
        for raw in matched.in_order:
            for picture in matched.of(raw) if raw.candidate.is_raw else ():
                if not picture.candidate.is_raw and not are_different_shots(raw.copy, picture.copy):
                    yield raw, picture, f"one shot: {matched.proof(raw, picture).reason}"


def _as_matched(first: GroupFile, file: GroupFile, matched: MatchedFiles) -> Member:
    proof = matched.proof(first, file)
    return Member(
        file.file,
        Action.KEEP,
        proof.reason,
        proof.cosine,
        proof.score,
        would_lose=matched.lacks(first, file),
        places=matched.places(file, first),
        keeper_places=matched.places(first, file),
    )


def _kept(kind: Kind, first: GroupFile, found: Iterable[tuple[GroupFile, str]]) -> Group:
    return Group(0, kind, first.file, WHY, tuple(Member(file.file, Action.KEEP, reason) for file, reason in found))


def _time_between(first: Copy, second: Copy) -> str:
    seconds = (camera_time(second.taken_at) - camera_time(first.taken_at)).total_seconds()
    return f"{abs(seconds):.3g} s {'later' if seconds >= 0 else 'earlier'}"


def _relative_to_root(file: GroupFile, twin: Path) -> tuple[str, str]:
    folder, slash, _ = file.copy.relative.rpartition("/")
    return file.copy.root, f"{folder}{slash}{twin.name}"
