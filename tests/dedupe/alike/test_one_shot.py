"""One press of the shutter or two, by what files say."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.decode.file_numbers import FileNumber
from retrieval.decode.shot_facts import ShotFacts, read_shot_facts
from retrieval.dedupe.alike.one_shot import (
    are_raw_and_picture_of_one_shot,
    contradiction,
    proves_one_shot,
    same_second_without_subseconds,
)

NOON = datetime(2023, 5, 1, 12, 0, 0)
SHOT = ShotFacts(
    camera="Canon EOS R5", model="eosr5", taken_at=NOON, exposure_s=1 / 250, f_number=5.6, iso=400, bias_ev=0.0,
    focal_length_mm=500.0, focus_m=2.5, maker_focus_m=2.5, flash=False, file_number=FileNumber("IMG_", 1234),
)  # fmt: skip
FINE = replace(SHOT, taken_at=NOON.replace(microsecond=120_000))


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"taken_at": later(3)}, "taken 3 s apart"),
        ({"taken_at": later(7201)}, "taken 2 hours apart"),
        ({"exposure_s": 1 / 500}, "1/250 s against 1/500 s"),
        ({"exposure_s": 2.0}, "1/250 s against 2 s"),
        ({"f_number": 6.3}, "f/5.6 against f/6.3"),
        ({"iso": 500.0}, "ISO 400 against ISO 500"),
        ({"bias_ev": -1 / 3}, "exposure bias +0.0 EV against -0.3 EV"),
        ({"focal_length_mm": 400.0}, "focal length 500 mm against 400 mm"),
        ({"focus_m": math.inf}, "focused at 2.5 m against infinity"),
        ({"maker_focus_m": 9.0}, "focused at two distances"),
        ({"flash": True}, "with flash against without flash"),
        ({"camera": "Nikon D850", "model": "d850", "iso": 500.0}, "taken with Canon EOS R5 and Nikon D850"),
        ({"file_number": FileNumber("IMG_", 1235)}, "file numbers 1234 and 1235 of one camera"),
    ],
)
def test_one_fact_is_enough_to_tell_two_shots(changes: dict[str, Any], words: str) -> None:
    assert contradiction(SHOT, replace(SHOT, **changes)) == words
    assert contradiction(replace(SHOT, **changes), SHOT) is not None
    assert not proves_one_shot(SHOT, replace(SHOT, **changes))


def test_of_several_counts_one_in_common_is_enough() -> None:
    one, two, three = (
        replace(FINE, counters=frozenset(("shutter count", count) for count in counts))
        for counts in ((1001,), (1001, 1002), (1003, 1004))
    )
    assert contradiction(one, two) is contradiction(two, one) is None
    assert contradiction(two, three) == "shutter count 1001 against 1003"
    assert contradiction(three, two) == "shutter count 1003 against 1001"


def test_counts_and_bodies_tell_two_shots() -> None:
    first, second = (replace(FINE, counters=frozenset({("shutter count", count)})) for count in (1001, 1002))
    assert contradiction(first, second) == "shutter count 1001 against 1002"
    assert "serial numbers 42 and 43" in str(contradiction(replace(FINE, serial="42"), replace(FINE, serial="43")))
    power_on = [replace(SHOT, counters=frozenset({("time since power-on", value)})) for value in (900, 930)]
    assert contradiction(*power_on) == "time since power-on 900 against 930"
    ids = [replace(SHOT, identifiers=frozenset({("image id", value)})) for value in ("a" * 32, "b" * 32)]
    assert contradiction(*ids) == "two different values of the image id"


def test_two_places_in_one_second() -> None:
    here, there = (replace(SHOT, latitude=47.0, longitude=longitude) for longitude in (8.0, 9.0))
    assert contradiction(here, there) == "taken 76 km apart in the same second"
    assert contradiction(replace(here, longitude=180.0), replace(here, longitude=-180.0)) is None


@pytest.mark.parametrize(
    "name",
    [
        "camera",
        "taken_at",
        "exposure_s",
        "f_number",
        "iso",
        "bias_ev",
        "focal_length_mm",
        "focus_m",
        "flash",
        "file_number",
    ],
)
def test_what_one_file_lacks_contradicts_nothing(name: str) -> None:
    without = replace(SHOT, **({name: None} | ({"model": None} if name == "camera" else {})))
    assert contradiction(SHOT, without) is None
    assert contradiction(without, SHOT) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"exposure_s": 1 / 249},
        {"exposure_s": 0.0041},
        {"f_number": 5.66},
        {"bias_ev": 0.1},
        {"focus_m": 2.6},
        {"software": "Adobe Lightroom", "edited": True, "modified_at": later(9e6)},
        {"taken_at": NOON.replace(tzinfo=timezone(timedelta(hours=2)))},
        {"taken_at": NOON.replace(microsecond=450_000)},  # the other has lost the fraction
        {"file_number": FileNumber("DSC_", 7)},
        {"file_number": FileNumber("", 20230501121500, by_clock=True)},
        {"lens": "RF500mm f/4L"},
    ],
)
def test_edited_copies_contradict_nothing(changes: dict[str, Any]) -> None:
    assert contradiction(SHOT, replace(SHOT, **changes)) is None


def test_another_number_of_a_camera_does_not_count_against_one_moment() -> None:
    copy = replace(FINE, file_number=FileNumber("IMG_", 2001), counters=frozenset({("file number", 1012001)}))
    assert contradiction(FINE, copy) is None
    assert proves_one_shot(FINE, copy)


def test_an_editors_own_id_does_not_count() -> None:
    first = replace(SHOT, identifiers=frozenset({("image id", "a" * 32)}))
    second = replace(SHOT, identifiers=frozenset({("image id", "b" * 32)}), edited=True)
    assert contradiction(first, second) is None


def test_a_cameras_name_written_by_a_program_is_forgiven_where_all_else_agrees() -> None:
    renamed = replace(SHOT, camera="Some App", model="someapp")
    assert contradiction(SHOT, renamed) is None
    assert not proves_one_shot(SHOT, renamed)
    scan = ShotFacts(camera="EPSON Perfection V600", model="perfectionv600", taken_at=later(90_000))
    assert contradiction(SHOT, scan) is not None
    assert contradiction(SHOT, replace(scan, taken_at=None)) is not None


def test_time_zones() -> None:
    east, utc = NOON.replace(tzinfo=timezone(timedelta(hours=2))), (NOON - timedelta(hours=2)).replace(tzinfo=UTC)
    assert contradiction(replace(SHOT, taken_at=east), replace(SHOT, taken_at=utc)) is None


def test_a_clock_set_to_another_zone_is_told_from_a_time_lapse() -> None:
    """Both lie whole hours apart; only the file number tells."""
    moved = replace(SHOT, taken_at=later(3600))
    assert contradiction(SHOT, moved) is None
    assert contradiction(SHOT, replace(moved, file_number=FileNumber("IMG_", 1235))) == "taken 60 minutes apart"
    assert contradiction(SHOT, replace(moved, file_number=None)) == "taken 60 minutes apart"
    assert contradiction(SHOT, replace(moved, taken_at=later(3601))) is not None


def test_fractions_of_a_second() -> None:
    frame = replace(FINE, taken_at=FINE.taken_at and FINE.taken_at.replace(microsecond=180_000))
    assert contradiction(FINE, frame) == "taken 0.06 s apart"
    fast = [replace(FINE, taken_at=NOON.replace(microsecond=fraction)) for fraction in (10_000, 20_000)]
    assert contradiction(*fast) == "taken 0.01 s apart"
    cut = [replace(FINE, taken_at=NOON.replace(microsecond=fraction)) for fraction in (625_000, 620_000)]
    assert contradiction(*cut) is None


def test_one_second_without_fractions_is_a_doubt() -> None:
    unnamed = replace(SHOT, file_number=None)
    assert same_second_without_subseconds(unnamed, unnamed)
    assert same_second_without_subseconds(replace(FINE, file_number=None), unnamed)
    assert not same_second_without_subseconds(SHOT, SHOT)  # the file number proves it
    assert not same_second_without_subseconds(FINE, FINE)
    assert not same_second_without_subseconds(unnamed, replace(unnamed, taken_at=None))
    assert not same_second_without_subseconds(unnamed, replace(unnamed, iso=800.0))
    clock = replace(SHOT, file_number=FileNumber("", 20230501120000, by_clock=True))
    assert same_second_without_subseconds(clock, clock)


def test_what_proves_one_shot() -> None:
    bare = ShotFacts(camera="Canon EOS R5", model="eosr5")
    assert proves_one_shot(FINE, replace(FINE, file_number=None, edited=True))
    assert proves_one_shot(SHOT, SHOT)
    assert not proves_one_shot(bare, bare)
    named = replace(bare, file_number=FileNumber("IMG_", 1))
    assert not proves_one_shot(named, named)  # numbers start again with the next card
    identified = replace(bare, identifiers=frozenset({("image id", "a" * 32)}))
    assert proves_one_shot(identified, identified)
    counted = replace(bare, counters=frozenset({("shutter count", 1001)}))
    assert not proves_one_shot(counted, counted)  # of which body?
    assert proves_one_shot(replace(counted, serial="42"), replace(counted, serial="42"))


def test_an_id_that_a_camera_gives_all_its_photos_proves_nothing() -> None:
    first = replace(SHOT, identifiers=frozenset({("image id", "a" * 32)}))
    assert contradiction(first, replace(first, taken_at=later(60))) is not None
    assert not proves_one_shot(first, replace(first, taken_at=later(60)))


def test_raw_and_picture_of_one_shot_wherever_they_lie() -> None:
    raw = replace(FINE, is_raw=True, file_number=None)
    assert are_raw_and_picture_of_one_shot(raw, FINE)
    assert are_raw_and_picture_of_one_shot(FINE, raw)
    assert not are_raw_and_picture_of_one_shot(raw, raw)
    assert not are_raw_and_picture_of_one_shot(FINE, FINE)
    assert are_raw_and_picture_of_one_shot(replace(SHOT, is_raw=True), SHOT)
    assert not are_raw_and_picture_of_one_shot(replace(SHOT, is_raw=True, file_number=FileNumber("IMG_", 1235)), SHOT)
    written = [frozenset({("time since power-on", value)}) for value in (900, 930)]
    assert are_raw_and_picture_of_one_shot(
        replace(SHOT, is_raw=True, counters=written[0]), replace(SHOT, counters=written[1])
    )


FACTS = st.builds(
    ShotFacts,
    is_raw=st.booleans(),
    camera=st.just("Some Camera"),
    model=st.sampled_from([None, "one", "other"]),
    serial=st.sampled_from([None, "1", "2"]),
    taken_at=st.none() | st.datetimes() | st.datetimes(timezones=st.timezones()),
    exposure_s=st.none() | st.floats(1e-5, 100),
    iso=st.none() | st.floats(1, 1e6),
    focus_m=st.none() | st.floats(0.01, math.inf),
    flash=st.none() | st.booleans(),
    latitude=st.none() | st.floats(-90, 90),
    longitude=st.none() | st.floats(-180, 180),
    counters=st.frozensets(st.tuples(st.sampled_from(["shutter count", "file number"]), st.integers(1, 3)), max_size=2),
    edited=st.booleans(),
)


@given(FACTS, FACTS)
def test_the_order_of_two_files_does_not_matter(first: ShotFacts, second: ShotFacts) -> None:
    assert (contradiction(first, second) is None) == (contradiction(second, first) is None)
    assert proves_one_shot(first, second) == proves_one_shot(second, first)
    assert same_second_without_subseconds(first, second) == same_second_without_subseconds(second, first)


@given(FACTS)
def test_a_file_never_contradicts_itself(facts: ShotFacts) -> None:
    assert len(dict(facts.counters)) < len(facts.counters) or contradiction(facts, facts) is None


@pytest.mark.shared
def test_real_cameras_contradict_each_other_and_never_themselves(shared: Path) -> None:
    files = [(path.read_bytes(), path.name) for path in sorted(shared.joinpath("camera").iterdir())]
    facts = [read_shot_facts(*file) for file in files]
    assert all(contradiction(one, one) is None for one in facts)
    assert all(contradiction(one, other) is not None for one, other in pairwise(facts))
