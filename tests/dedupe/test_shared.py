"""Duplicates among real photos: transforms that another tool's tests are made of, and birds of one species."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from retrieval import Index
from retrieval.dedupe.groups.find import Findings, FindOptions
from retrieval.dedupe.plan.records import Action, Group, Kind

pytestmark = pytest.mark.shared


@pytest.fixture
def near_duplicates(shared):
    return shared / "near-duplicates"


def found(index: Index, *folders: Path) -> Findings:
    index.add(*folders)
    return index.duplicates()


def joined(groups: Iterable[Group]) -> list[set[str]]:
    """The names of files that groups put together, step by step."""
    families: list[set[str]] = []
    for group in groups:
        family = {group.keeper.path.name, *(member.file.path.name for member in group.members)}
        for other in [other for other in families if other & family]:
            families.remove(other)
            family |= other
        families.append(family)
    return families


def test_the_transforms_of_one_picture_are_one_family(index, near_duplicates):
    findings = found(index, near_duplicates / "base_images", near_duplicates / "mixed_images")
    first, second = sorted(joined(findings.plan.groups), key=len, reverse=True)
    squeezed = {"ukbench00120_resize.jpg"}  # to a square: no similarity transform, so it may be missed
    turned = {"ukbench00120_rotation.jpg"}  # its corners are cut off, and filled
    assert first - squeezed - turned == {"ukbench00120.jpg", "ukbench00120_hflip.jpg"}
    assert second == {"ukbench09268.jpg"}
    kinds = {group.kind for group in findings.plan.groups}
    assert kinds == {Kind.EXACT, Kind.NEAR}
    reasons = {
        member.file.path.name: member.reason
        for group in findings.plan.groups
        if group.kind == Kind.NEAR
        for member in group.members
    }
    assert "mirrored" in reasons["ukbench00120_hflip.jpg"]
    assert turned <= first.union(*joined(findings.related))


def test_ten_pictures_of_ten_things_are_no_duplicates(index, near_duplicates):
    """Several lie on the same carpet, in the same light."""
    findings = found(index, near_duplicates / "base_images")
    assert findings.plan.groups == ()


def test_formats_of_one_picture(index, near_duplicates):
    findings = found(index, near_duplicates / "formats_images")
    [family] = joined(findings.plan.groups)
    assert family == {f"ukbench09380.{suffix}" for suffix in ("bmp", "jpeg", "png", "webp")}


def test_one_photo_in_all_colours_turned_by_its_metadata(index, near_duplicates):
    findings = found(index, near_duplicates / "elephants")
    [family] = joined(findings.plan.groups)
    names = ("", "_bw", "_cmyk", "_with_exif_orientation")
    assert family >= {f"african_elephants{name}.jpg" for name in names}


def test_all_orientations_are_one_picture(index, shared):
    """Each says in its middle, in large letters, which one it is: it is recognised, and none goes for another."""
    findings = found(index, shared / "orientation")
    assert findings.plan.groups == ()
    assert {group.kind for group in findings.related} <= {Kind.ALTERED, Kind.SAME_SCENE}
    assert sorted(len(family) for family in joined(findings.related)) == [9, 9]
    for group in findings.related:
        for member in group.members:
            assert member.action is Action.KEEP
            assert member.reason.startswith("differs at ")


def test_birds_of_one_species_are_never_near(index, shared):
    """With a network that knows nothing, which is the worst of proposers: pixels decide alone."""
    species = sorted((shared / "birds").iterdir())[:6]
    index.add(*species)
    findings = index.duplicates(FindOptions(kinds=[Kind.SAME_PIXELS, Kind.NEAR]))
    assert findings.compared == 72
    assert [
        [group.keeper.path, *(member.file.path for member in group.members)] for group in findings.plan.groups
    ] == []
