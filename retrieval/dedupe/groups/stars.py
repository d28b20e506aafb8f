"""Splits matching files into stars: one file that stays, and files that it contains. Groups are never chained."""

import heapq
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)


def stars(order: Sequence[Node], contained: Callable[[Node], Iterable[Node]]) -> list[tuple[Node, list[Node]]]:
    """Split nodes into stars: (keeper, its members in order). Each node is in one star at most.

    `order` has every node once, the preferred keepers first; `contained` gives the nodes that one may stand for. Each
    node that is not yet claimed becomes a keeper and claims the unclaimed nodes that it contains. So the keeper of a
    member is the first node that contains it among those that stay. A node that contains none is the keeper of no star.
    """
    position = {node: number for number, node in enumerate(order)}
    claimed: set[Node] = set()
    found = []
    for node in order:
        if node in claimed:
            continue
        claimed.add(node)
        members = sorted({other for other in contained(node) if other in position} - claimed, key=position.__getitem__)
        claimed.update(members)
        if members:
            found.append((node, members))
    return found


def containers_first(order: Sequence[Node], strictly_contained: Callable[[Node], Iterable[Node]]) -> list[Node]:
    """Sort nodes so that each comes before all that it strictly contains, and else as near to `order` as that allows.

    Where nodes seem to contain each other in a circle, which noise can do, `order` decides among these alone.
    """
    position = {node: number for number, node in enumerate(order)}
    inner = {node: {other for other in strictly_contained(node) if other in position} for node in order}
    outer: dict[Node, set[Node]] = {node: set() for node in order}
    for node, others in inner.items():
        for other in others:
            outer[other].add(node)
    ready = [position[node] for node in order if not outer[node]]
    found: list[Node] = []
    while outer:
        if not ready:
            first = _of_first_circle(outer, position)
            outer[first].clear()
            ready.append(position[first])
        node = order[heapq.heappop(ready)]
        found.append(node)
        del outer[node]
        for other in inner[node] & outer.keys():
            if node in outer[other]:
                outer[other].remove(node)
                if not outer[other]:
                    heapq.heappush(ready, position[other])
    return found


def _of_first_circle(outer: Mapping[Node, set[Node]], position: Mapping[Node, int]) -> Node:
    """Return the first node, by position, of a circle that nothing outside of it contains."""
    node = min(outer, key=position.__getitem__)
    while True:
        around = _reached(node, outer)
        further = {other for other in around if node not in _reached(other, outer)}
        if not further:
            return min(around, key=position.__getitem__)
        node = min(further, key=position.__getitem__)


def _reached(node: Node, outer: Mapping[Node, set[Node]]) -> set[Node]:
    """Return the nodes that contain this one, directly or not."""
    found: set[Node] = set()
    left = [node]
    while left:
        fresh = outer[left.pop()] - found
        found |= fresh
        left.extend(fresh)
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
