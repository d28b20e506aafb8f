"""Groups that belong together and are no duplicates: bursts, and the RAW and JPEG of one shot."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby

from retrieval.catalogue.matches import Copy
from retrieval.dedupe.groups.stars import sequences

BURST_GAP_S = 2.0  # between two shots of a burst


def shot_apart(first: Copy, second: Copy) -> bool:
    """Tell whether one camera took two photos at different times: then they are two, however alike they look.

    A trail camera shows the same empty meadow for weeks. A copy whose program dropped the fraction of the second is not
    taken for another shot.
    """
    if not first.camera or first.camera != second.camera or not first.taken_at or not second.taken_at:
        return False
    one, other = (_local(copy.taken_at) for copy in (first, second))
    if one.replace(microsecond=0) == other.replace(microsecond=0) and not (one.microsecond and other.microsecond):
        return False
    return one != other


def bursts(copies: Iterable[Copy]) -> Iterator[list[Copy]]:
    """Split photos, given by camera and time, into bursts: each at most BURST_GAP_S after the one before."""
    for _, group in groupby(copies, key=lambda copy: copy.camera):
        shots = sorted(group, key=lambda copy: (_local(copy.taken_at), copy.root, copy.relative))
        times = [_local(copy.taken_at).timestamp() for copy in shots]
        for run in sequences(times, BURST_GAP_S):
            yield [shots[number] for number in run]


def _local(time: datetime) -> datetime:
    """The camera's own clock: of two copies, one may have lost its UTC offset."""
    return time.replace(tzinfo=None)
