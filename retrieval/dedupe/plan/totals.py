"""How many groups and files a plan has of each kind, and how much space removing files would free."""

from collections.abc import Iterable
from dataclasses import dataclass

from retrieval.dedupe.plan.records import Action, Group, Kind


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts over some groups."""

    groups: int = 0
    files: int = 0  # keepers included, sidecars not
    removed: int = 0  # of the files, those to remove
    removed_bytes: int = 0

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(
            self.groups + other.groups,
            self.files + other.files,
            self.removed + other.removed,
            self.removed_bytes + other.removed_bytes,
        )


def totals_by_kind(groups: Iterable[Group]) -> dict[Kind, Totals]:
    """Count groups by kind, in the order of Kind, without the kinds that have none."""
    found: dict[Kind, Totals] = {}
    for group in groups:
        found[group.kind] = found.get(group.kind, Totals()) + group_totals(group)
    return {kind: found[kind] for kind in Kind if kind in found}


def group_totals(group: Group) -> Totals:
    """Count the files of one group."""
    sizes = [member.file.size for member in group.members if member.action == Action.REMOVE]
    return Totals(1, 1 + len(group.members), len(sizes), sum(sizes))
