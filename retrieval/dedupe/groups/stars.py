"""Splits matching files into stars: one file that stays, and files that match it directly. Groups are never chained."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)


def stars(order: Sequence[Node], matches: Callable[[Node], Iterable[Node]]) -> list[tuple[Node, list[Node]]]:
    """Split nodes into stars: (keeper, its members in order). Each node is in one star at most.

    `order` has every node once, the preferred keepers first; `matches` is symmetric. Each node that is not yet claimed
    becomes a keeper and claims the unclaimed nodes that match it. So the keeper of a member is the first node that it
    matches among those that stay. A node that matches none is in no star.
    """
    position = {node: number for number, node in enumerate(order)}
    claimed: set[Node] = set()
    found = []
    for node in order:
        if node in claimed:
            continue
        claimed.add(node)
        members = sorted({other for other in matches(node) if other in position} - claimed, key=position.__getitem__)
        claimed.update(members)
        if members:
            found.append((node, members))
    return found


def split_at_gaps(times: Sequence[float], gap_s: float) -> list[range]:
    """Split ascending times, in seconds, wherever two differ by more than `gap_s`. Leaves out single times."""
    runs, start = [], 0
    for end in range(1, len(times) + 1):
        if end == len(times) or times[end] - times[end - 1] > gap_s:
            if end - start > 1:
                runs.append(range(start, end))
            start = end
    return runs
