"""Whether two photos are different shots by what the catalogue knows: their camera and time, without reading a file."""

from datetime import UTC, datetime

from retrieval.catalogue.copies import Copy


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


def camera_time(time: datetime) -> datetime:
    """Return what the camera's clock showed, as if it were UTC: of two copies, one may have lost its UTC offset."""
    return time.replace(tzinfo=UTC)
