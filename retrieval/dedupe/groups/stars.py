"""Groups as stars: one file that stays, and files that match it directly. Never chains of likeness."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)


def stars(order: Sequence[Node], matches: Callable[[Node], Iterable[Node]]) -> list[tuple[Node, list[Node]]]:
    """Split nodes into stars: (keeper, members in order), each node in one star at most.

    `order` has every node once, those that ought to be kept first; `matches` is symmetric. A node becomes a keeper
    unless one before it has claimed it, and claims whatever matches it and is unclaimed. So a member's keeper is the
    best that it matches and that is itself kept; who matches nobody is in no star.
    """
    place = {node: number for number, node in enumerate(order)}
    claimed: set[Node] = set()
    found = []
    for node in order:
        if node in claimed:
            continue
        claimed.add(node)
        members = sorted({other for other in matches(node) if other in place} - claimed, key=place.__getitem__)
        claimed.update(members)
        if members:
            found.append((node, members))
    return found


def sequences(times: Sequence[float], gap_s: float) -> list[range]:
    """Split ascending times in seconds into runs whose neighbours are at most `gap_s` apart; runs of one left out."""
    runs, start = [], 0
    for end in range(1, len(times) + 1):
        if end == len(times) or times[end] - times[end - 1] > gap_s:
            if end - start > 1:
                runs.append(range(start, end))
            start = end
    return runs
