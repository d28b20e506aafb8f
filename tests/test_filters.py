from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from retrieval import Filter
from retrieval.errors import QueryError
from retrieval.filters import Near, moment


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("2021", "2021"),
        ("2021-5", "2021-05"),
        (" 2021-05-03 ", "2021-05-03"),
        ("2021-05-03T14", "2021-05-03T14"),
        ("2021-05-03 4:30", "2021-05-03T04:30"),
        ("2021-05-03T14:30:05.25", "2021-05-03T14:30:05"),
        (date(2021, 5, 3), "2021-05-03"),
        (datetime(2021, 5, 3, 14, 30), "2021-05-03T14:30:00"),
    ],
)
def test_moments(given, meant):
    assert moment(given) == meant


@pytest.mark.parametrize(
    "given", ["", "21", "2021-13", "2021-02-29", "2021-05-03T25", "2021-05-03T14:61", "yesterday", "2021-05-03+02:00"]
)
def test_what_is_no_moment(given):
    with pytest.raises(QueryError, match="is no date: give 2021"):
        moment(given)


def test_a_zone_is_refused_rather_than_ignored():
    with pytest.raises(QueryError, match="time zone"):
        Filter(since=datetime(2021, 5, 3, tzinfo=UTC))


def test_places():
    assert Near.parse(" -25.19, 55.32 ,10 km ") == Near(-25.19, 55.32, 10)
    for wrong in (
        "1,2",
        "a,b,c",
        "1,2,3,4",
        "",
        "91,0,1",
        "0,181,1",
        "nan,0,1",
        "0,0,0",
        "0,0,-1",
        "0,0,inf",
        "0,0,nan",
    ):
        with pytest.raises(QueryError):
            Near.parse(wrong)


def test_one_value_may_stand_for_several():
    assert Filter(species="Black kite", under=Path("x"), near=(1, 2, 3)) == Filter(
        species=["Black kite"], under=[Path("x")], near=[Near(1, 2, 3)]
    )
    assert hash(Filter(camera=["Canon"])) == hash(Filter(camera=("Canon",)))


def test_contradictions_are_refused():
    Filter(since="2021-05-03", until="2021")  # the year goes on
    Filter(min_probability=0.5, max_probability=0.5)
    for wrong in (
        {"since": "2022", "until": "2021-12-31"},
        {"min_probability": 0.6, "max_probability": 0.5},
        {"min_probability": -0.1},
        {"max_probability": 1.1},
        {"near": [(1, 2, -3)]},
    ):
        with pytest.raises(QueryError):
            Filter(**wrong)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"species": 5}, "species is 5"),
        ({"not_camera": [None]}, r"not_camera is \[None\]"),
        ({"camera": b"Canon"}, "camera is b'Canon'"),
        ({"under": [1.5]}, r"under is \[1.5\]"),
        ({"near": [(1, 2)]}, r"near is \[\(1, 2\)\]: give \(latitude, longitude, km\)"),
        ({"near": "25.19,55.32,10"}, "near is '25.19,55.32,10'"),
        ({"not_near": (1, 2, None)}, "not_near is"),
        ({"near": 5}, "near is 5"),
        ({"min_probability": "0.5"}, "min_probability is '0.5': give a number"),
    ],
)
def test_what_is_no_condition_is_named(wrong, named):
    with pytest.raises(QueryError, match=named):
        Filter(**wrong)
