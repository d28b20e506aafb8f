"""Files whose contents match: which of them match each other, and what would be lost if one stayed for another."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from retrieval.catalogue.copies import Copies
from retrieval.catalogue.matches import Match
from retrieval.dedupe.groups.files import GroupFile, GroupFiles
from retrieval.records import Box


class MatchedFiles:
    """The files that have the contents of some matches, and that take part."""

    def __init__(
        self, files: GroupFiles, copies: Copies, matches: Iterable[Match], without: Collection[Path] = ()
    ) -> None:
        """`without` are files that stand in another group already."""
        self._files = files
        self._matches: dict[int, dict[int, Match]] = defaultdict(dict)  # by the ids of two contents, both ways
        for match in matches:
            self._matches[match.first][match.second] = self._matches[match.second][match.first] = match
        found = files.from_copies(copies.of(list(self._matches)))
        self.in_order = [file for file in found if file.path not in without]  # the preferred keepers first
        self._with_content: dict[int, list[GroupFile]] = defaultdict(list)
        for file in self.in_order:
            self._with_content[file.copy.content].append(file)

    def of(self, file: GroupFile) -> Iterator[GroupFile]:
        """Yield the files that match one and may be in a group with it."""
        for content in self._matches[file.copy.content]:
            for other in self._with_content[content]:
                if self._files.scope.allows(file.path, other.path):
                    yield other

    def proof(self, file: GroupFile, other: GroupFile) -> Match:
        """Return how two files match."""
        return self._matches[file.copy.content][other.copy.content]

    def lacks(self, file: GroupFile, other: GroupFile) -> str:
        """Say what the one lacks that the other has; empty if nothing."""
        proof = self.proof(file, other)
        return proof.first_lacks if file.copy.content == proof.first else proof.second_lacks

    def places(self, file: GroupFile, other: GroupFile) -> tuple[Box, ...]:
        """Return where the two differ, in the frame of the one; none if that is known in the other's frame alone."""
        proof = self.proof(file, other)
        return proof.places if file.copy.content == proof.first else ()
