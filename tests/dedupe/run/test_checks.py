import os
from dataclasses import replace

import pytest
from removals import group, planned
from textures import saved, textured

from retrieval.dedupe.plan.records import Kind
from retrieval.dedupe.run.checks import check_file, check_options, check_pair, is_mounted
from retrieval.dedupe.run.fingerprint import fingerprint
from retrieval.dedupe.run.records import ApplyOptions, Mode
from retrieval.errors import Remedy, RunError


@pytest.fixture
def photo(tmp_path):
    path = tmp_path.resolve() / "a.jpg"
    path.write_bytes(b"bytes")
    os.utime(path, ns=(10**18, 10**18))
    return path


def test_a_file_that_is_what_the_plan_says_gives_its_fingerprint(photo):
    assert check_file(planned(photo)) == fingerprint(photo)


def test_a_file_that_has_changed_is_refused(photo):
    before = planned(photo)
    photo.write_bytes(b"other")
    with pytest.raises(RunError, match="has changed since the plan was made") as caught:
        check_file(before)
    assert caught.value.remedy is Remedy.FIND_AGAIN
    os.utime(photo, ns=(10**18, 10**18))  # the same size and time, but other bytes
    with pytest.raises(RunError, match="has other bytes"):
        check_file(before)


def test_a_folder_that_is_a_link_is_refused(photo, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(photo.parent)
    with pytest.raises(RunError, match="through a symbolic link"):
        check_file(planned(link / photo.name))


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        (ApplyOptions(Mode.DELETE, to="/held"), Remedy.OTHER_MODE),
        (ApplyOptions(Mode.REFLINK, kinds=frozenset((Kind.EXACT, Kind.NEAR))), Remedy.EXACT_ONLY),
        (ApplyOptions(kinds=frozenset((Kind.EXACT, Kind.RAW_JPEG))), None),
    ],
)
def test_options_that_exclude_each_other(options, remedy):
    with pytest.raises(RunError) as caught:
        check_options(options)
    assert caught.value.remedy is remedy


def test_a_keeper_chosen_by_hand_is_compared_by_its_pixels(tmp_path):
    folder = tmp_path.resolve()
    first = saved(textured(1), folder / "a.jpg")
    same, other = saved(textured(1), folder / "b.jpg", quality=70), saved(textured(2), folder / "c.jpg")
    options = ApplyOptions(kinds=frozenset((Kind.NEAR,)))

    def by_hand(member):
        made = group(1, first, member, kind=Kind.NEAR)
        return made, replace(made.members[0], reason="")

    assert check_pair(*by_hand(same), options) == fingerprint(same)
    with pytest.raises(RunError, match="chosen by hand: their pixels do not agree"):
        check_pair(*by_hand(other), options)


def test_a_mount_point_without_its_disk_is_empty_or_missing(tmp_path, photo):
    assert is_mounted(photo.parent)
    assert not is_mounted(tmp_path / "missing")
    assert not is_mounted(photo)
    (tmp_path / "empty").mkdir()
    assert not is_mounted(tmp_path / "empty")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_root_that_cannot_be_listed_is_not_mounted(photo):
    photo.parent.chmod(0)
    try:
        assert not is_mounted(photo.parent)
    finally:
        photo.parent.chmod(0o700)
