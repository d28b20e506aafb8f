"""How much a plan would win, kind by kind."""

from collections.abc import Iterable
from dataclasses import dataclass

from retrieval.dedupe.plan.records import REMOVABLE, Action, Group, Kind

APART = tuple(kind for kind in Kind if kind not in REMOVABLE)


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of some groups; of files, those to remove and their bytes, without what moves along."""

    groups: int = 0
    files: int = 0
    removed: int = 0
    removed_bytes: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.groups + other.groups,
            self.files + other.files,
            self.removed + other.removed,
            self.removed_bytes + other.removed_bytes,
        )


def by_kind(groups: Iterable[Group]) -> dict[Kind, Tally]:
    """Count groups by kind, in the order of Kind; kinds without a group are left out."""
    tallies: dict[Kind, Tally] = {}
    for group in groups:
        tallies[group.kind] = tallies.get(group.kind, Tally()) + of_group(group)
    return {kind: tallies[kind] for kind in Kind if kind in tallies}


def of_group(group: Group) -> Tally:
    """Count one group."""
    sizes = [member.file.size for member in group.members if member.action == Action.REMOVE]
    return Tally(1, 1 + len(group.members), len(sizes), sum(sizes))
