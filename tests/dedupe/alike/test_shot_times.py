"""Two shots of one camera, by its clock."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from retrieval.catalogue.copies import Copy
from retrieval.dedupe.alike.shot_times import are_different_shots, camera_time

NOON = datetime(2023, 5, 1, 12, 0, 0)
CANON, NIKON = "Canon EOS R5", "Nikon D850"
EAST = timezone(timedelta(hours=9))


def copy(taken_at: datetime | None, camera: str | None = CANON) -> Copy:
    known: dict[str, Any] = dict.fromkeys(Copy._fields)
    return Copy(**known | {"content": 1, "taken_at": taken_at, "camera": camera})


def fraction(microseconds: int) -> datetime:
    return NOON.replace(microsecond=microseconds)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (copy(NOON), copy(NOON), False),
        (copy(NOON), copy(NOON + timedelta(seconds=1)), True),
        (copy(NOON), copy(NOON + timedelta(hours=1)), True),
        (copy(fraction(120_000)), copy(fraction(450_000)), True),
        (copy(fraction(120_000)), copy(fraction(120_000)), False),
        (copy(fraction(120_000)), copy(NOON), False),  # the copy has lost the fraction
        (copy(fraction(990_000)), copy(NOON + timedelta(seconds=1)), True),
        (copy(NOON), copy(NOON + timedelta(seconds=1), NIKON), False),  # two clocks tell nothing
        (copy(NOON), copy(NOON + timedelta(seconds=1), None), False),
        (copy(NOON, None), copy(NOON + timedelta(seconds=1), None), False),
        (copy(NOON), copy(None), False),
        (copy(None), copy(None), False),
        (copy(NOON.replace(tzinfo=EAST)), copy(NOON), False),  # the copy has lost the UTC offset
        (copy(NOON.replace(tzinfo=EAST)), copy(NOON + timedelta(seconds=2)), True),
    ],
)
def test_one_camera_at_two_times(first, second, expected):
    assert are_different_shots(first, second) is expected
    assert are_different_shots(second, first) is expected


def test_times_can_be_compared_whether_the_offset_is_known_or_not():
    there = NOON.replace(tzinfo=EAST)
    assert camera_time(there) == camera_time(NOON)
    assert camera_time(there).utcoffset() == timedelta(0)
    assert camera_time(fraction(5)).microsecond == 5
