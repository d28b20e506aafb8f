"""Finds the photos of one burst by their camera and time."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from retrieval.catalogue.copies import Copy
from retrieval.dedupe.alike.shot_times import camera_time
from retrieval.dedupe.groups.stars import split_at_gaps

BURST_GAP_S = 2.0  # at most, between two shots of a burst


def are_of_one_burst(first: Copy, second: Copy) -> bool:
    """Tell whether one camera took two photos at most BURST_GAP_S apart."""
    if not first.camera or first.camera != second.camera or not first.taken_at or not second.taken_at:
        return False
    apart = camera_time(first.taken_at) - camera_time(second.taken_at)
    return abs(apart.total_seconds()) <= BURST_GAP_S


def bursts(copies: Iterable[Copy]) -> Iterator[list[Copy]]:
    """Yield the bursts among photos that are ordered by camera, each photo at most BURST_GAP_S after the one before."""
    for _, group in groupby(copies, key=lambda copy: copy.camera):
        shots = sorted(group, key=lambda copy: (camera_time(copy.taken_at), copy.root, copy.relative))
        times = [camera_time(copy.taken_at).timestamp() for copy in shots]
        for run in split_at_gaps(times, BURST_GAP_S):
            yield [shots[number] for number in run]
