import time
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.catalogue.copies import Copy
from retrieval.dedupe.alike.shot_times import are_different_shots
from retrieval.dedupe.groups.bursts import BURST_GAP_S, bursts

NOON = datetime(2024, 5, 1, 12, 0, 0)
WEST = timezone(timedelta(hours=-5))


def shot(seconds: float | None = 0.0, camera: str | None = "Maker One", name: str = "a.jpg", zone=None) -> Copy:
    taken_at = None if seconds is None else (NOON + timedelta(seconds=seconds)).replace(tzinfo=zone)
    return Copy(1, "root", name, 1, 1, b"", 0, "JPEG", 4, 3, taken_at, None, None, camera, None)


@pytest.mark.parametrize(
    ("first", "second", "apart"),
    [
        (shot(0), shot(1), True),
        (shot(0), shot(86_400), True),  # a trail camera shows the same meadow every day
        (shot(0), shot(0), False),  # an edit keeps the time
        (shot(0.2), shot(0.4), True),  # within a second, by its fraction
        (shot(0.2), shot(0), False),  # an edit that lost the fraction
        (shot(0), shot(0.2), False),
        (shot(0.2), shot(1), True),  # it lost the fraction, but the second is another
        (shot(0), shot(1, camera="Maker Two"), False),
        (shot(0, camera=None), shot(1, camera=None), False),
        (shot(0, camera=""), shot(1, camera=""), False),
        (shot(None), shot(1), False),
        (shot(0), shot(None), False),
        (shot(0, zone=UTC), shot(0), False),  # one copy lost its offset
        (shot(0, zone=UTC), shot(1), True),
        (shot(0, zone=UTC), shot(0, zone=WEST), False),  # the camera's own clock is what counts
    ],
)
def test_different_shots(first, second, apart):
    assert are_different_shots(first, second) is apart
    assert are_different_shots(second, first) is apart


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the time zone cannot be changed here")
@pytest.mark.parametrize("zone", ["UTC", "America/St_Johns", "Asia/Kolkata", "Europe/Berlin"])
def test_the_summer_time_of_this_computer_splits_no_burst(monkeypatch, zone):
    """Cameras have clocks of their own."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        for end in (datetime(2024, 11, 3, 2), datetime(2024, 10, 27, 3), datetime(2024, 3, 10, 3)):
            gap = timedelta(seconds=0.6)
            shots = [shot()._replace(taken_at=end + gap * number, relative=f"{number}.jpg") for number in (-1, 0, 1)]
            late = shot()._replace(taken_at=end + timedelta(hours=1), relative="late.jpg")
            assert names(bursts([*shots, late])) == [["-1.jpg", "0.jpg", "1.jpg"]]
    finally:
        monkeypatch.undo()
        time.tzset()


def names(found):
    return [[copy.relative for copy in run] for run in found]


def test_bursts():
    shots = [
        *(shot(seconds, name=f"{seconds}") for seconds in (0, 0.5, 1.5, 3.4, 10, 11, 30)),
        shot(0.2, camera="Maker Two", name="other camera"),
        shot(200, camera="Maker Two", name="late"),
        shot(201.9, camera="Maker Two", name="later"),
    ]
    assert names(bursts(shots)) == [["0", "0.5", "1.5", "3.4"], ["10", "11"], ["late", "later"]]
    assert list(bursts([])) == []
    assert list(bursts([shot(0)])) == []


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="this system cannot change its time zone")
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_the_clock_of_this_machine_does_not_matter(monkeypatch, zone):
    """Where summer time begins, this machine's clock skips an hour; the camera's does not."""
    night = datetime(2021, 3, 14, 1, 59, 59)
    gap = (datetime(2021, 3, 14, 3) - NOON).total_seconds()
    shots = [shot((night - NOON).total_seconds(), name="before"), shot(gap, name="after"), shot(gap + 1, name="last")]
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        found = names(bursts(shots))
    time.tzset()
    assert found == [["after", "last"]]


def test_offsets_make_no_burst_and_break_none():
    shots = [shot(0, name="plain"), shot(1, name="aware", zone=UTC), shot(2, name="west", zone=WEST)]
    assert names(bursts(shots)) == [["plain", "aware", "west"]]


@given(st.lists(st.tuples(st.sampled_from(["one", "two"]), st.integers(0, 400)), max_size=25))
def test_bursts_are_runs_of_one_camera(taken):
    shots = [shot(tenths / 10, camera, f"{number}") for number, (camera, tenths) in enumerate(taken)]
    by_camera = sorted(shots, key=lambda copy: (copy.camera, copy.taken_at))
    found = list(bursts(by_camera))
    used = [copy.relative for run in found for copy in run]
    assert len(used) == len(set(used))
    for run in found:
        assert len({copy.camera for copy in run}) == 1
        gaps = [(b.taken_at - a.taken_at).total_seconds() for a, b in pairwise(run)]
        assert gaps
        assert all(0 <= gap <= BURST_GAP_S for gap in gaps)
    for one in shots:
        others = [other for other in shots if other is not one and other.camera == one.camera]
        close = any(abs((other.taken_at - one.taken_at).total_seconds()) <= BURST_GAP_S for other in others)
        assert close == (one.relative in used)
