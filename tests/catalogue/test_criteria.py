import math
import random

import numpy as np
import pytest
from catalogues import CAMERAS, FOLDERS, ROOTS, SPECIES, explain, is_in, satisfies

from retrieval.catalogue.criteria import EARTH_RADIUS_KM, Criteria, Folder, boxes
from retrieval.filters import Near

CIRCLES = (
    Near(25.2, 55.3, 30),
    Near(0, 180, 60),
    Near(10, -180, 25),
    Near(89.8, 170, 40),
    Near(-90, 0, 45),
    Near(1, 2, 99_999),
)


def some(chance: random.Random, values: tuple, least: int = 0) -> frozenset:
    return frozenset(chance.sample([value for value in values if value is not None], chance.randint(least, 2)))


def draw_criteria(chance: random.Random) -> Criteria:
    folders = [Folder(root, folder) for root in (*ROOTS, "never indexed") for folder in FOLDERS]
    dates = (
        "2020",
        "2020-12",
        "2020-12-31",
        "2020-12-31T23:59",
        "2021",
        "2021-05-31T23:59:30",
        "2021-06",
        "2022-02-03",
    )
    values = {
        "species": lambda: some(chance, SPECIES, 1),
        "not_species": lambda: some(chance, SPECIES),
        "since": lambda: chance.choice(dates),
        "until": lambda: chance.choice(dates),
        "near": lambda: tuple(chance.sample(CIRCLES, 2)),
        "not_near": lambda: tuple(chance.sample(CIRCLES, 1)),
        "under": lambda: tuple(chance.sample(folders, 3)),
        "not_under": lambda: tuple(chance.sample(folders, 2)),
        "cameras": lambda: some(chance, CAMERAS),
        "not_cameras": lambda: some(chance, CAMERAS),
        "min_probability": lambda: round(chance.random(), 2),
        "max_probability": lambda: round(chance.random(), 2),
    }
    names = chance.sample(sorted(values), chance.choice((1, 1, 1, 2, 2, 3, 4)))
    return Criteria(**{name: values[name]() for name in names})


@pytest.mark.parametrize("seed", range(300))
def test_rows_and_lists_are_those_of_brute_force(drawn, seed):
    entries, photos = drawn
    criteria = draw_criteria(random.Random(seed))
    expected = [entry for entry in entries if satisfies(entry, criteria)]
    rows = photos.rows(criteria)
    assert rows.dtype == np.int64
    assert rows.tolist() == sorted({entry.row for entry in expected})
    assert photos.count(criteria) == len(expected)
    found = list(photos.matching(criteria))
    assert [row[:2] for row in found] == sorted((entry.root, entry.path) for entry in expected)
    for entry in entries:
        if entry.state == "indexed" and entry.row in rows:
            assert criteria.admits(entry.root, entry.path) == satisfies(entry, criteria)


@pytest.mark.parametrize("circle", CIRCLES)
def test_both_sides_of_a_circle_are_told_apart(drawn, circle):
    """Unless these circles cut through the photos, the test above shows nothing about them."""
    entries, _ = drawn
    inside = {is_in(entry, circle) for entry in entries if entry.latitude is not None}
    assert inside == {True, False} or circle.km > 20_000


def test_a_box_holds_its_circle():
    for circle in (*CIRCLES, Near(60, 179.99, 5), Near(-45, 0, 5_000), Near(80, 10, 1_111), Near(0, 0, 10_000)):
        latitude, longitude = math.radians(circle.latitude), math.radians(circle.longitude)
        angle = min(circle.km / EARTH_RADIUS_KM, math.pi) * (1 - 1e-9)
        for bearing in np.linspace(0, 2 * math.pi, 721):  # the point at that bearing on the rim
            sine = math.sin(latitude) * math.cos(angle) + math.cos(latitude) * math.sin(angle) * math.cos(bearing)
            north = math.asin(min(1, max(-1, sine)))
            east = longitude + math.atan2(
                math.sin(bearing) * math.sin(angle) * math.cos(latitude), math.cos(angle) - math.sin(latitude) * sine
            )
            place = math.degrees(north), (math.degrees(east) + 180) % 360 - 180
            assert any(s <= place[0] <= n and w <= place[1] <= e for s, w, n, e in boxes(circle)), (circle, place)


@pytest.mark.parametrize(
    ("criteria", "index"),
    [
        (Criteria(species=frozenset({"Black kite"})), "content_species"),
        (Criteria(species=frozenset({"Black kite", "Grey heron"}), min_probability=0.9), "content_species"),
        (Criteria(not_species=frozenset({"Black kite"})), "content_species"),
        (Criteria(min_probability=0.9), "content_species"),
        (Criteria(since="2020-05", until="2020-06"), "content_taken_at"),
        (Criteria(until="2020-06"), "content_taken_at"),
        (Criteria(cameras=frozenset({"NIKON Z 9"})), "content_camera"),
        (Criteria(near=(Near(10, 179.9, 50),)), "content_place"),
    ],
)
def test_each_condition_is_answered_by_its_index_alone(drawn, criteria, index):
    _, photos = drawn
    plans = explain(photos, lambda: photos.rows(criteria))
    assert any(f"USING COVERING INDEX {index} (" in plan for plan in plans)
    assert any("content_dead" in plan for plan in plans)
    assert not [plan for plan in plans if plan.startswith("SCAN content")]
