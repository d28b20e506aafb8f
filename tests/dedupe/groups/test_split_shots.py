from dataclasses import replace
from pathlib import Path

import pytest
from removals import group

from retrieval.dedupe.groups.split_shots import keep_split_shots
from retrieval.dedupe.plan.records import Action, Group


@pytest.fixture
def files(tmp_path):
    """Make files by name, for plans to describe."""

    def make(*names: str) -> list[Path]:
        for name in names:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(b"photo")
        return [tmp_path / name for name in names]

    return make


def removing(number: int, keeper: Path, member: Path, *along: Path) -> Group:
    """A group of two, whose member takes files of its shot along."""
    made = group(number, keeper, member)
    return replace(made, members=(replace(made.members[0], along=along),))


def removed(groups: list[Group]) -> set[str]:
    return {one.file.path.name for made in groups for one in made.members if one.action is Action.REMOVE}


def test_a_photo_stays_whose_raw_has_no_copy(files):
    keeper, photo, raw, sidecar = files("card/IMG_1.jpg", "IMG_1.jpg", "IMG_1.CR2", "IMG_1.xmp")
    groups = [removing(1, keeper, photo, sidecar, raw)]
    [found] = keep_split_shots(groups)
    [member] = found.members
    assert (member.action, member.along) == (Action.KEEP, ())
    assert member.reason == "same bytes; stays, because IMG_1.CR2 of its shot has no copy that stays"
    assert (found.number, found.keeper, member.file) == (1, groups[0].keeper, groups[0].members[0].file)
    assert removed(groups) == {"IMG_1.jpg"}  # of the argument nothing changed


def test_a_shot_goes_whose_files_all_have_copies(files):
    jpeg, raw, other_jpeg, other_raw, sidecar = files("IMG_1.jpg", "IMG_1.dng", "b/IMG_1.jpg", "b/IMG_1.dng", "b/a.xmp")
    groups = [removing(1, jpeg, other_jpeg, other_raw, sidecar), removing(2, raw, other_raw, other_jpeg, sidecar)]
    assert keep_split_shots(groups) == groups


def test_sidecars_need_no_copy(files):
    keeper, photo, *sidecars = files("card/IMG_1.jpg", "IMG_1.jpg", "IMG_1.xmp", "IMG_1.jpg.pp3", "IMG_1.THM")
    groups = [removing(1, keeper, photo, *sidecars)]
    assert keep_split_shots(groups) == groups


def test_a_twin_that_is_a_keeper_stays_and_so_does_the_photo(files):
    copy, photo, raw, small = files("card/IMG_1.jpg", "IMG_1.jpg", "IMG_1.dng", "small.jpg")
    assert removed(keep_split_shots([removing(1, copy, photo, raw), removing(2, raw, small)])) == {"small.jpg"}


@pytest.mark.parametrize("turn", [1, -1])
def test_what_stays_keeps_the_rest_of_its_shot(files, turn):
    """One file of three has no copy, which the others learn one after another, in whatever order they stand."""
    names = ("IMG_1.jpg", "IMG_1.heic", "IMG_1.dng")
    jpeg, heic, raw = files(*names)
    other_jpeg, other_heic = files("card/IMG_1.jpg", "card/IMG_1.heic")
    groups = [removing(1, other_jpeg, jpeg, heic), removing(2, other_heic, heic, raw)][::turn]
    found = keep_split_shots(groups)
    assert removed(found) == set()
    reasons = {made.members[0].file.path: made.members[0].reason for made in found}
    assert "IMG_1.heic of its shot" in reasons[jpeg]
    assert "IMG_1.dng of its shot" in reasons[heic]


def test_what_stays_already_keeps_its_reason(files):
    keeper, photo, raw = files("card/IMG_1.jpg", "IMG_1.jpg", "IMG_1.dng")
    made = removing(1, keeper, photo, raw)
    kept = replace(made, members=(replace(made.members[0], action=Action.KEEP, reason="a watermark"),))
    assert keep_split_shots([kept]) == [kept]
    assert keep_split_shots([]) == []
