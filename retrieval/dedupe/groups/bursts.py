"""Finds the photos of one burst by their camera and time."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby

from retrieval.catalogue.copies import Copy
from retrieval.dedupe.groups.stars import split_at_gaps

BURST_GAP_S = 2.0  # at most, between two shots of a burst


def are_different_shots(first: Copy, second: Copy) -> bool:
    """Tell whether one camera took two photos at different times. Then they are never duplicates, however alike.

    A trail camera shows the same empty meadow for weeks. A copy that has lost the fraction of its second is not another
    shot.
    """
    if not first.camera or first.camera != second.camera or not first.taken_at or not second.taken_at:
        return False
    one, other = (camera_time(copy.taken_at) for copy in (first, second))
    if one.replace(microsecond=0) == other.replace(microsecond=0) and not (one.microsecond and other.microsecond):
        return False
    return one != other


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


def camera_time(time: datetime) -> datetime:
    """Return what the camera's clock showed, as if it were UTC: of two copies, one may have lost its UTC offset."""
    return time.replace(tzinfo=UTC)
