import math
import random

import numpy as np
import pytest
from catalogues import CAMERAS, FOLDERS, ROOTS, SPECIES, Entry, draw, write
from sqlalchemy import event

from retrieval.catalogue.criteria import EARTH_RADIUS_KM, Criteria, Folder, boxes
from retrieval.catalogue.photos import ORDERS, Photos
from retrieval.filters import Near

CIRCLES = (
    Near(25.2, 55.3, 30),
    Near(0, 180, 60),
    Near(10, -180, 25),
    Near(89.8, 170, 40),
    Near(-90, 0, 45),
    Near(1, 2, 99_999),
)


def satisfies(entry: Entry, criteria: Criteria) -> bool:
    """The meaning of the criteria, one photo at a time."""
    date = entry.taken_at and entry.taken_at.replace(tzinfo=None).isoformat(timespec="milliseconds")
    since, until, low, high = criteria.since, criteria.until, criteria.min_probability, criteria.max_probability
    return all(
        (
            entry.state == "indexed",
            criteria.species is None or entry.species in criteria.species - {None},
            entry.species not in criteria.not_species,
            since is None or (date is not None and date[: len(since)] >= since),
            until is None or (date is not None and date[: len(until)] <= until),
            not criteria.near or any(is_in(entry, circle) for circle in criteria.near),
            not any(is_in(entry, circle) for circle in criteria.not_near),
            criteria.cameras is None or entry.camera in criteria.cameras,
            entry.camera not in criteria.not_cameras,
            not criteria.under or any(lies_in(entry, folder) for folder in criteria.under),
            not any(lies_in(entry, folder) for folder in criteria.not_under),
            low is None or (entry.probability is not None and entry.probability >= low),
            high is None or (entry.probability is not None and entry.probability <= high),
        )
    )


def is_in(entry: Entry, circle: Near) -> bool:
    return entry.latitude is not None and distance_km(entry.latitude, entry.longitude, *circle[:2]) <= circle.km


def distance_km(*degrees: float) -> float:
    """By the angle between unit vectors, where the catalogue takes the haversine."""
    latitude, longitude, other_latitude, other_longitude = map(math.radians, degrees)
    one, other = unit(latitude, longitude), unit(other_latitude, other_longitude)
    return float(2 * EARTH_RADIUS_KM * np.arctan2(np.linalg.norm(one - other), np.linalg.norm(one + other)))


def unit(latitude: float, longitude: float) -> np.ndarray:
    flat = math.cos(latitude)
    return np.array([flat * math.cos(longitude), flat * math.sin(longitude), math.sin(latitude)])


def lies_in(entry: Entry, folder: Folder) -> bool:
    folders = entry.path.split("/")[:-1]
    wanted = folder.relative.split("/") if folder.relative else []
    return entry.root == folder.root and folders[: len(wanted)] == wanted


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


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    entries = draw(600, seed=7)
    database = write(tmp_path_factory.mktemp("catalogue") / "catalogue.sqlite", entries)
    yield entries, Photos(database)
    database.close()


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


def test_no_criteria_choose_every_present_photo(drawn):
    entries, photos = drawn
    present = [entry for entry in entries if entry.state == "indexed"]
    assert photos.count(Criteria()) == len(present)
    assert photos.rows(Criteria()).tolist() == sorted({entry.row for entry in present})
    assert photos.count_without("date") == sum(entry.taken_at is None for entry in present)
    assert photos.count_without("place") == sum(entry.latitude is None for entry in present)
    assert photos.species() == sorted(name for name in SPECIES if name)
    assert photos.cameras() == sorted(name for name in CAMERAS if name)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("order", ORDERS)
def test_orders(drawn, order, reverse):
    entries, photos = drawn
    found = list(photos.matching(Criteria(), order=order, reverse=reverse))
    assert len(found) == sum(entry.state == "indexed" for entry in entries)
    keys = {
        "path": lambda row: (row[0], row[1].encode()),
        "date": lambda row: row[4] and row[4].isoformat(timespec="milliseconds"),
        "species": lambda row: row[2],
        "probability": lambda row: None if row[3] is None else -row[3],
    }
    values = [keys[order](row) for row in found]
    known = [value for value in values if value is not None]
    assert values == sorted(known, reverse=reverse) + [None] * (len(values) - len(known))
    assert list(photos.matching(Criteria(), order=order, reverse=reverse, limit=7)) == found[:7]


def test_a_life_list_counts_what_is_there(drawn):
    entries, photos = drawn
    criteria = Criteria(not_species=frozenset({"Grey heron"}), since="2020-06", under=(Folder("birds"),))
    chosen = [entry for entry in entries if satisfies(entry, criteria) and entry.species]
    found = list(photos.by_species(criteria))
    assert [row[0] for row in found] == sorted({entry.species for entry in chosen})
    for species, photos, days, first, last, probability, root, path in found:
        own = [entry for entry in chosen if entry.species == species]
        assert photos == len(own)
        assert days == len({entry.taken_at.date() for entry in own})
        times = sorted(entry.taken_at.isoformat(timespec="milliseconds") for entry in own)
        assert [first.isoformat(timespec="milliseconds"), last.isoformat(timespec="milliseconds")] == [
            times[0],
            times[-1],
        ]
        best = next(entry for entry in own if (entry.root, entry.path) == (root, path))
        assert best.probability == probability == max(entry.probability for entry in own)


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


def test_folders_and_photos_of_rows_are_found_by_their_indices(drawn):
    _, photos = drawn
    plans = explain(photos, lambda: photos.rows(Criteria(under=(Folder("birds", "2020"),))))
    assert any("(root_id=? AND path>? AND path<?)" in plan for plan in plans)
    plans = explain(photos, lambda: list(photos.matching(Criteria(species=frozenset({"Black kite"})))))
    assert any(plan.startswith("SEARCH content") and "(vector_row=?)" in plan for plan in plans)
    assert any("photo_content" in plan for plan in plans)
    plans = explain(photos, lambda: list(photos.matching(Criteria(), limit=3)))
    assert not any("TEMP B-TREE" in plan for plan in plans)  # nothing is sorted: the first comes at once


def explain(photos: Photos, call) -> list[str]:
    """How SQLite goes about each statement of a call."""
    engine, seen = photos._database._connections.engine, []

    def note(_connection, _cursor, statement, parameters, _context, _many):
        seen.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        call()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    with engine.connect() as connection:
        plans = [
            connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            for statement, parameters in seen
            if statement.startswith(("SELECT", "WITH"))
        ]
    return [line[3] for plan in plans for line in plan]
