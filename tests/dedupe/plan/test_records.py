from datetime import UTC, datetime

from plans import file

from retrieval.dedupe.plan.records import REMOVABLE, Kind


def test_pixels_are_known_only_with_both_sides():
    assert file("a.jpg", width=60, height=40).pixels == 2400
    assert file("a.jpg", width=60).pixels == file("a.jpg").pixels == 0


def test_the_time_of_the_last_change_is_utc_and_exact_to_a_microsecond():
    assert file("a.jpg").changed_at == datetime(2025, 11, 23, 11, 6, 40, 123456, tzinfo=UTC)


def test_two_shots_and_the_two_files_of_a_shot_are_never_removable():
    assert set(Kind) - set(REMOVABLE) == {Kind.OVERLAP, Kind.SAME_SCENE, Kind.BURST, Kind.RAW_JPEG}
