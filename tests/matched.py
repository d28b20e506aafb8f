"""An indexed archive of small photos, of which a test says which match, as a comparison of pixels would."""

import os
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catalogues import sql
from photos import scene

from retrieval import Index
from retrieval.catalogue.matches import Match
from retrieval.dedupe.groups.find import Findings, FindOptions
from retrieval.dedupe.plan.records import Action, Group
from retrieval.store import Store


@dataclass
class MatchedPhotos:
    """Photos by name; what a test does not say of them is the same for all of them."""

    index: Index
    root: Path
    names: list[str] = field(default_factory=list)

    def add(self, *names: str) -> "MatchedPhotos":
        """Make photos, each of other pixels, index them, and let them count as compared."""
        for name in names:
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                scene(len(self.names)).save(file, "JPEG")
            os.utime(path, ns=(10**18, 10**18))
            self.names.append(name)
        self.index.add(self.root)
        self.index.duplicates()
        sql(self.index.folder, "DELETE FROM picture_match")
        sql(self.index.folder, "UPDATE photo SET size = 1000")
        return self

    def say(self, name: str, **facts: Any) -> None:
        """Change columns of the content of a photo: format, width, height, camera, taken_at."""
        for column, value in facts.items():
            where = "id = (SELECT content_id FROM photo WHERE path = ?)"
            sql(self.index.folder, f"UPDATE content SET {column} = ? WHERE {where}", value, os.fsencode(name))

    def file(self, name: str, **facts: int) -> None:
        """Change columns of a photo's file: size, mtime_ns."""
        for column, value in facts.items():
            sql(self.index.folder, f"UPDATE photo SET {column} = ? WHERE path = ?", value, os.fsencode(name))

    def match(
        self,
        one: str,
        other: str,
        kind: str = "near",
        *,
        lack: tuple[str, str] = ("", ""),
        reason: str = "compared",
        score: float = 0.9,
        places: tuple[tuple[int, int, int, int], ...] = (),
    ) -> None:
        """Record a match; `lack` says what the one and what the other lacks, `places` are of the lower content's."""
        with closing(Store.open(self.index.folder)) as store:
            first, second = (self.content(name) for name in (one, other))
            if first > second:
                first, second, lack = second, first, lack[::-1]
            store.catalogue.matches.add([Match(first, second, kind, 0.95, score, reason, *lack, places)])

    def content(self, name: str) -> int:
        """Return the id of a photo's content."""
        [(content,)] = sql(self.index.folder, "SELECT content_id FROM photo WHERE path = ?", os.fsencode(name))
        return int(content)

    def find(self, **options: Any) -> Findings:
        """Find groups; nothing is compared again."""
        findings = self.index.duplicates(FindOptions(**options))
        assert findings.compared == 0
        return findings

    def stars(self, groups: tuple[Group, ...]) -> list[tuple[str, str, list[str]]]:
        """Return the kind, keeper and members of groups, by name."""
        return [
            (group.kind.value, self.name(group.keeper.path), [self.name(one.file.path) for one in group.members])
            for group in groups
        ]

    def removed(self, **options: Any) -> set[str]:
        """Return what a plan removes, and what moves along."""
        members = [member for group in self.find(**options).plan.groups for member in group.members]
        paths = [
            path for member in members if member.action is Action.REMOVE for path in (member.file.path, *member.along)
        ]
        return {self.name(path) for path in paths}

    def name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()
