import pytest
from catalogues import CAMERAS, SPECIES, explain, satisfies

from retrieval.catalogue.criteria import Criteria, Folder
from retrieval.catalogue.photos import ORDERS


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


def test_folders_and_photos_of_rows_are_found_by_their_indices(drawn):
    _, photos = drawn
    plans = explain(photos, lambda: photos.rows(Criteria(under=(Folder("birds", "2020"),))))
    assert any("(root_id=? AND path>? AND path<?)" in plan for plan in plans)
    plans = explain(photos, lambda: list(photos.matching(Criteria(species=frozenset({"Black kite"})))))
    assert any(plan.startswith("SEARCH content") and "(vector_row=?)" in plan for plan in plans)
    assert any("photo_content" in plan for plan in plans)
    plans = explain(photos, lambda: list(photos.matching(Criteria(), limit=3)))
    assert not any("TEMP B-TREE" in plan for plan in plans)  # nothing is sorted: the first comes at once


def test_photos_of_rows_are_all_present_copies_by_path(drawn):
    entries, photos = drawn
    rows = range(0, 600, 3)
    expected = {}
    for entry in sorted(entries, key=lambda entry: (entry.root, entry.path.encode())):
        if entry.state == "indexed" and entry.row in rows:
            time = entry.taken_at and entry.taken_at.isoformat(timespec="milliseconds")
            expected.setdefault(entry.row, []).append((entry.root, entry.path, entry.species, time))
    found = {}
    for row, group in photos.of_rows(rows).items():
        for one in group:
            time = one.taken_at and one.taken_at.isoformat(timespec="milliseconds")
            found.setdefault(row, []).append((one.root, one.relative, one.species, time))
    assert found == expected
    assert photos.of_rows([]) == {}


def test_folders_know_what_lies_in_them_now_and_ever(drawn):
    entries, photos = drawn
    for folder in (Folder("birds"), Folder("birds", "2020"), Folder("disk", "2021/Müll"), Folder("disk", "202")):
        own = [entry for entry in entries if folder.holds(entry.root, entry.path)]
        assert photos.any_ever_in(folder) == bool(own)
        assert photos.count_in(folder) == sum(entry.state != "gone" for entry in own)
    assert not photos.any_ever_in(Folder("never indexed"))


def test_rows_of_species_are_those_of_gone_photos_too(drawn):
    entries, photos = drawn
    wanted = {"Black kite", "Reed warbler"}
    assert photos.rows_of_species(wanted).tolist() == sorted({one.row for one in entries if one.species in wanted})
    assert photos.rows_of_species([]).tolist() == []


def test_counts_are_by_state(drawn):
    entries, photos = drawn
    live = {entry.row for entry in entries if entry.state == "indexed"}
    counts = photos.counts()
    assert (counts.indexed, counts.failed, counts.gone) == (
        sum(entry.state == "indexed" for entry in entries),
        0,
        sum(entry.state == "gone" for entry in entries),
    )
    assert (counts.vectors, counts.dead) == (600, 600 - len(live))
