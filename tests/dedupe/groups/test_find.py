import hashlib
import io
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raw_photos import dng
from textures import EDITS, cropped, saved, scaled, textured, through

from retrieval import Index
from retrieval.dedupe.groups.files import FindScope
from retrieval.dedupe.groups.find import Findings, FindOptions
from retrieval.dedupe.plan import plan_file
from retrieval.dedupe.plan.records import Action, Group, Kind
from retrieval.errors import IndexLockedError, QueryError
from retrieval.lock import writing

SIZE = (200, 150)
TAKEN, FRACTION, MAKE, MODEL = 36867, 37521, 271, 272


def exif(taken: str, fraction: str = "", camera: str = "Maker One") -> Image.Exif:
    tags = Image.Exif()
    tags[MAKE], tags[MODEL] = camera.split(" ")[0], camera
    details = tags.get_ifd(0x8769)
    details[TAKEN] = taken
    if fraction:
        details[FRACTION] = fraction
    return tags


def grainy(seed: int, size: tuple[int, int]) -> Image.Image:
    """With the noise of a sensor: smaller copies of it lack that, so none could pass for the original."""
    pixels = np.asarray(textured(seed, size), dtype=np.float64)
    noise = np.random.default_rng(seed).normal(0, 9, pixels.shape)
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


def names(group: Group) -> tuple[str, list[str]]:
    return group.keeper.path.name, [member.file.path.name for member in group.members]


def stars(groups) -> dict[str, list[tuple[str, list[str]]]]:
    """Groups by kind: (keeper, members), by file name."""
    found: dict[str, list[tuple[str, list[str]]]] = {}
    for group in groups:
        found.setdefault(group.kind.value, []).append(names(group))
    return found


def find(index: Index, root: Path, **options) -> Findings:
    """Bring the index up to date and look for duplicates."""
    index.add(root)
    return index.duplicates(FindOptions(**options))


def planned(index: Index, root: Path, **options) -> dict[str, list[tuple[str, list[str]]]]:
    return stars(find(index, root, **options).plan.groups)


def older(path: Path, seconds: int) -> Path:
    """Set back the time of a file's last change."""
    then = path.stat().st_mtime_ns - seconds * 10**9
    os.utime(path, ns=(then, then))
    return path


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "archive"
    folder.mkdir()
    return folder


def copied(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(source, target))


def jpeg(picture: Image.Image, path: Path, quality: int = 92, **save: object) -> Path:
    return saved(picture, path, quality=quality, **save)


def test_exact_copies(index, root):
    one = jpeg(textured(1, SIZE), root / "a" / "one.jpg")
    copied(one, root / "b" / "other name.jpg")
    older(copied(one, root / "b" / "first.jpg"), 1000)
    jpeg(textured(2, SIZE), root / "two.jpg")
    findings = find(index, root)
    [group] = findings.plan.groups
    assert (group.kind, group.number) == (Kind.EXACT, 1)
    assert names(group)[0] == "first.jpg"
    assert sorted(names(group)[1]) == ["one.jpg", "other name.jpg"]
    assert "older" in group.why
    for member in group.members:
        assert member.action is Action.REMOVE
        assert (member.reason, member.cosine, member.score) == ("same bytes", 1.0, 1.0)
        assert member.file.sha256 == hashlib.sha256(member.file.path.read_bytes()).hexdigest() == group.keeper.sha256
        found = member.file.path.stat()
        assert (member.file.size, member.file.mtime_ns) == (found.st_size, found.st_mtime_ns)
        assert (member.file.width, member.file.height, member.file.format) == (*SIZE, "JPEG")
    assert findings.plan.index == index.folder.absolute()
    assert findings.plan.model == "tiny"


def test_other_names_of_one_file_are_no_copies(index, root):
    one = jpeg(textured(1, SIZE), root / "one.jpg")
    os.link(one, root / "linked.jpg")
    assert planned(index, root) == {}
    copied(one, root / "a real copy.jpg")
    [group] = find(index, root).plan.groups
    assert len(group.members) == 1


def test_same_pixels_and_near(index, root):
    picture = through("JPEG", quality=92)(textured(1, SIZE))
    saved(picture, root / "lossless.png")
    saved(picture, root / "lossless.tif")
    jpeg(EDITS["grey"](picture), root / "grey.jpg")
    small = jpeg(scaled(0.5)(picture), root / "small.jpg")
    copied(small, root / "small copy.jpg")
    other = through("JPEG")(textured(2, SIZE))
    saved(other, root / "other.png")
    saved(other, root / "other.bmp")
    findings = find(index, root)
    found = stars(findings.plan.groups)
    assert found["exact"] == [("small.jpg", ["small copy.jpg"])]
    assert found["same-pixels"] == [("other.bmp", ["other.png"])]
    [(keeper, members)] = found["near"]
    assert keeper in ("lossless.png", "lossless.tif")
    assert set(members) == {"lossless.png", "lossless.tif", "grey.jpg", "small.jpg"} - {keeper}
    assert [group.number for group in findings.plan.groups] == [1, 2, 3]
    by_name = {member.file.path.name: member for group in findings.plan.groups for member in group.members}
    assert by_name["other.png"].reason == "every pixel is the same"
    assert "inliers" in by_name["grey.jpg"].reason
    assert 0.9 < by_name["small.jpg"].score <= 1
    assert -1 <= by_name["small.jpg"].cosine <= 1


def test_every_member_matches_its_keeper_though_a_better_one_is_not_its_own(index, root):
    """Crops from both sides are like the whole, not like each other."""
    picture = textured(3, (480, 320))
    older(jpeg(picture, root / "whole.jpg"), 1000)
    jpeg(picture.crop((0, 0, 230, 320)), root / "left.jpg")
    jpeg(picture.crop((250, 0, 480, 320)), root / "right.jpg")
    for rules in ("resolution,bytes", "shortest-name", "newest"):
        [group] = find(index, root, keep=rules).plan.groups
        keeper, members = names(group)
        assert (group.kind, keeper, sorted(members)) == (Kind.NEAR, "whole.jpg", ["left.jpg", "right.jpg"])
    lesser = planned(index, root, keep="shortest-name", keep_lesser=True)
    assert lesser == {"near": [("left.jpg", ["whole.jpg"])]}
    [group] = find(index, root, keep="newest", keep_lesser=True).plan.groups
    assert names(group) == ("right.jpg", ["whole.jpg"])


def test_a_part_in_more_pixels_and_the_whole_both_stay(index, root):
    picture = grainy(3, (480, 320))
    jpeg(scaled(0.5)(picture), root / "whole.jpg")
    jpeg(picture.crop((0, 0, 230, 320)), root / "left.jpg")
    for keep_lesser in (False, True):
        assert planned(index, root, keep_lesser=keep_lesser) == {}


def test_what_kinds_ask_for(index, root):
    picture = through("JPEG", quality=92)(textured(1, SIZE))
    lossless = saved(picture, root / "a.png")
    saved(picture, root / "a.bmp")
    copied(lossless, root / "copy.png")
    jpeg(picture, root / "a.jpg", 90)
    assert set(planned(index, root)) == {"exact", "near"}
    assert planned(index, root, kinds=[Kind.EXACT]) == {"exact": [("a.png", ["copy.png"])]}
    assert planned(index, root, kinds=[Kind.SAME_PIXELS]) == {"same-pixels": [("a.bmp", ["a.png", "copy.png"])]}
    near = planned(index, root, kinds=[Kind.NEAR])
    assert set(near) == {"near"}
    assert "a.jpg" in near["near"][0][1]


def test_exact_copies_alone_need_no_comparing_and_no_lock(index, root):
    copied(jpeg(textured(1, SIZE), root / "a.jpg"), root / "b.jpg")
    index.add(root)
    with writing(index.folder):
        findings = index.duplicates(FindOptions(kinds=[Kind.EXACT]))
        assert (len(findings.plan.groups), findings.compared) == (1, 0)
        with pytest.raises(IndexLockedError, match="being written"):
            index.duplicates()


RULES = [
    ("bytes", "heavy.bmp", "against"),
    ("oldest", "old.png", "older"),
    ("path:{root}/chosen", "in folder.png", "in "),
    ("shortest-name", "a.png", "shorter name"),
    ("metadata", "tagged.png", "richer metadata"),
    ("format:webp>png", "format.webp", "preferred format"),
]


@pytest.fixture
def equals(root):
    """One picture in six files, each better by another rule, none by what it shows. They were made of a larger one."""
    original = grainy(4, (400, 300))
    picture = scaled(0.5)(original)
    saved(picture, root / "heavy.bmp")
    older(saved(picture, root / "old.png", compress_level=1), 10_000_000)
    saved(picture, root / "chosen" / "in folder.png", compress_level=3)
    saved(picture, root / "a.png", compress_level=6)
    saved(picture, root / "tagged.png", exif=exif("2024:05:01 12:00:00"))
    saved(picture, root / "format.webp", lossless=True)
    return original


def test_the_rules_choose_the_keeper_and_say_why(index, root, equals):
    index.add(root)
    for rules, keeper, why in RULES:
        [group] = index.duplicates(FindOptions(keep=rules.format(root=root))).plan.groups
        assert group.keeper.path.name == keeper
        assert len(group.members) == 5
        assert re.search(why, group.why)


def test_rules_put_a_smaller_copy_before_a_larger_only_if_asked(index, root, equals):
    jpeg(equals, root / "large.jpg", 80)
    index.add(root)
    for rules, keeper, why in [*RULES, ("resolution", "large.jpg", "megapixels|pixels")]:
        rules = rules.format(root=root)
        [group] = index.duplicates(FindOptions(keep=rules)).plan.groups
        assert (group.keeper.path.name, len(group.members)) == ("large.jpg", 6)
        assert group.why.startswith("has what others lack: resolution (200 x 150 of 400 x 300 pixels)")
        [group] = index.duplicates(FindOptions(keep=rules, keep_lesser=True)).plan.groups
        assert (group.keeper.path.name, len(group.members)) == (keeper, 6)
        assert re.search(why, group.why)
        assert ("although it lacks resolution" in group.why) == (keeper != "large.jpg")


def test_an_unknown_rule_is_refused_before_any_work(index, root):
    jpeg(textured(1, SIZE), root / "a.jpg")
    index.add(root)
    with pytest.raises(QueryError, match="no rule 'largest'"):
        index.duplicates(FindOptions(keep="largest"))


@pytest.mark.parametrize(
    "options",
    [
        {"min_score": float("nan")},
        {"min_score": 1.5},
        {"workers": 0},
        {"kinds": ["nearly"]},
        {"keep": 5},
        {"keep": [None]},
    ],
)
def test_invalid_options_are_refused(index, options):
    with pytest.raises(QueryError):
        index.duplicates(FindOptions(**options))


def test_a_reference_folder_is_kept_whole(index, root):
    """It never stands for what it lacks."""
    picture = grainy(5, (400, 300))
    safe = jpeg(scaled(0.5)(picture), root / "safe" / "small.jpg")
    copied(safe, root / "safe" / "small too.jpg")
    jpeg(EDITS["grey"](picture), root / "safe" / "grey.jpg")
    jpeg(picture, root / "card" / "large.jpg")
    jpeg(scaled(0.25)(picture), root / "card" / "tiny.jpg")
    copied(safe, root / "card" / "copy.jpg")
    findings = find(index, root, scope=FindScope(reference=[root / "safe"]))
    actions = {}
    for group in findings.plan.groups:
        assert group.keeper.protected
        assert "reference" in group.why
        actions |= {member.file.path.name: (member.action, member.file.protected) for member in group.members}
        assert all((member.action is Action.KEEP) == member.file.protected for member in group.members)
    assert actions["tiny.jpg"] == actions["copy.jpg"] == (Action.REMOVE, False)
    assert "large.jpg" not in actions
    assert {"small.jpg", "small too.jpg", "grey.jpg"} & set(actions) <= {
        name for name, (action, _) in actions.items() if action is Action.KEEP
    }


def test_only_inside_one_folder(index, root):
    picture = textured(6, SIZE)
    one = jpeg(picture, root / "a" / "one.jpg")
    copied(one, root / "a" / "one copy.jpg")
    copied(one, root / "b" / "elsewhere.jpg")
    jpeg(EDITS["grey"](picture), root / "b" / "grey.jpg")
    found = planned(index, root, scope=FindScope(same_folder=True))
    assert found == {"exact": [("one.jpg", ["one copy.jpg"])], "near": [("elsewhere.jpg", ["grey.jpg"])]}


def test_only_across_two_folders(index, root):
    one, two = (textured(seed, SIZE) for seed in (7, 8))
    copied(jpeg(one, root / "card" / "1.jpg"), root / "archive" / "1 copy.jpg")
    jpeg(EDITS["grey"](two), root / "card" / "2 grey.jpg")
    jpeg(two, root / "archive" / "2.jpg")
    copied(jpeg(textured(9, SIZE), root / "card" / "3.jpg"), root / "card" / "3 copy.jpg")
    copied(root / "card" / "1.jpg", root / "elsewhere" / "1.jpg")
    found = find(index, root, scope=FindScope(across=(root / "card", root / "archive"))).plan.groups
    pairs = [{group.keeper.path, *(member.file.path for member in group.members)} for group in found]
    assert {root / "card" / "1.jpg", root / "archive" / "1 copy.jpg"} in pairs
    assert {root / "card" / "2 grey.jpg", root / "archive" / "2.jpg"} in pairs
    assert len(pairs) == 2


def test_only_within_some_folders(index, root):
    one = jpeg(textured(1, SIZE), root / "a" / "1.jpg")
    copied(one, root / "a" / "deep" / "1 copy.jpg")
    copied(one, root / "b" / "1 elsewhere.jpg")
    found = planned(index, root, scope=FindScope(within=[root / "a"]))
    assert found == {"exact": [("1.jpg", ["1 copy.jpg"])]}
    assert planned(index, root, scope=FindScope(within=[root / "b"])) == {}
    with_reference = planned(index, root, scope=FindScope(within=[root / "a"], reference=[root / "b"]))
    assert with_reference == {"exact": [("1 elsewhere.jpg", ["1.jpg", "1 copy.jpg"])]}


def test_a_least_score(index, root):
    picture = textured(2, SIZE)
    jpeg(picture, root / "a.jpg")
    jpeg(EDITS["grey"](picture), root / "grey.jpg", 70)
    [group] = find(index, root).plan.groups
    score = group.members[0].score
    assert 0.5 < score < 1
    assert planned(index, root, min_score=score) != {}
    assert planned(index, root, min_score=(score + 1) / 2) == {}


def test_sidecars_go_along_and_count(index, root):
    picture = textured(3, SIZE)
    jpeg(picture, root / "plain.jpg")
    edited = jpeg(picture, root / "edited.jpg", comment="its edits are in files beside it")
    (root / "edited.xmp").write_text("<x/>")
    (root / "edited.jpg.pp3").write_text("x")
    by_bytes = find(index, root, keep="path:" + str(root / "none") + ",metadata").plan.groups[0]
    assert by_bytes.keeper.path == edited
    assert "2 sidecars" in by_bytes.why
    by_name = find(index, root, keep="shortest-name").plan.groups[0]
    assert by_name.keeper.path.name == "plain.jpg"
    assert set(by_name.members[0].along) == {root / "edited.xmp", root / "edited.jpg.pp3"}


def camera_raw(picture: Image.Image, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    path.write_bytes(dng(np.asarray(picture), preview=buffer.getvalue()))
    return path


def test_raw_and_jpeg_of_one_shot_are_never_duplicates(index, root):
    picture = textured(4, SIZE)
    raw = camera_raw(picture, root / "IMG_1.dng")
    twin = jpeg(picture, root / "IMG_1.JPG")
    camera_raw(textured(5, SIZE), root / "IMG_2.dng")
    findings = find(index, root)
    assert findings.plan.groups == ()
    [group] = findings.related
    assert (group.kind, group.keeper.path) == (Kind.RAW_JPEG, raw)
    [member] = group.members
    assert (member.file.path, member.action) == (twin, Action.KEEP)
    assert stars(find(index, root, kinds=[Kind.RAW_JPEG]).plan.groups) == {"raw+jpeg": [("IMG_1.dng", ["IMG_1.JPG"])]}
    assert find(index, root, kinds=[Kind.RAW_JPEG]).related == ()


def test_a_copy_of_a_shot_elsewhere_goes_as_one(index, root):
    picture = textured(4, SIZE)
    raw = camera_raw(picture, root / "a" / "IMG_1.dng")
    twin = jpeg(picture, root / "a" / "IMG_1.jpg")
    for path in (raw, twin):
        copied(path, root / "b" / path.name)
    findings = find(index, root)
    kinds = [group.kind for group in findings.plan.groups]
    assert kinds == [Kind.EXACT, Kind.EXACT]
    folders = {member.file.path.parent.name for group in findings.plan.groups for member in group.members}
    assert len(folders) == 1  # not the RAW of one and the JPEG of the other
    for group in findings.plan.groups:
        for member in group.members:
            assert len(member.along) == 1


@pytest.mark.parametrize("readable", [True, False])
def test_a_raw_never_goes_because_its_jpeg_has_a_copy(index, root, readable):
    """An older copy of the JPEG alone, on a card: the only RAW there is does not leave for it."""
    picture = textured(4, SIZE)
    raw = camera_raw(picture, root / "archive" / "IMG_1.dng")
    if not readable:
        raw.write_bytes(b"of a camera that nobody can decode yet")
    twin = jpeg(picture, root / "archive" / "IMG_1.jpg")
    older(copied(twin, root / "card" / "IMG_1.jpg"), 1000)
    large = jpeg(scaled(2)(picture), root / "large.jpg")  # better by its pixels
    leaving: set[Path] = set()
    for group in find(index, root).plan.groups:
        for member in group.members:
            leaving |= {member.file.path, *member.along}
    assert raw not in leaving
    assert len({raw, twin, large, root / "card" / "IMG_1.jpg"} - leaving) >= 1


def test_a_raw_and_its_export_elsewhere_both_stay(index, root):
    picture = textured(6, SIZE)
    camera_raw(picture, root / "IMG_1.dng")
    jpeg(cropped(0.1)(picture), root / "exports" / "cropped.jpg")
    findings = find(index, root)
    assert findings.plan.groups == ()
    [group] = findings.related
    assert (group.kind, *names(group)) == (Kind.RAW_JPEG, "IMG_1.dng", ["cropped.jpg"])
    assert group.members[0].reason.startswith("one shot: ")


def burst(folder: Path, seconds: tuple[int, ...] = (0, 1, 2), quality: int = 92) -> list[Path]:
    """Frames that are the same to the eye: the camera and the bird held still."""
    picture = textured(7, SIZE)
    return [
        jpeg(EDITS["brighter"](picture) if number % 2 else picture, folder / f"{number}.jpg", quality + number,
             exif=exif(f"2024:05:01 12:00:{second:02}"))
        for number, second in enumerate(seconds)
    ]  # fmt: skip


def test_a_burst_is_no_duplicate_however_alike(index, root):
    burst(root)
    findings = find(index, root)
    assert findings.plan.groups == ()
    [group] = findings.related
    assert (group.kind, len(group.members), group.why) == (Kind.BURST, 2, "nothing is removed")
    assert {member.action for member in group.members} == {Action.KEEP}
    assert {member.reason.split()[-1] for member in group.members} <= {"later", "earlier"}


def test_an_edit_of_a_burst_frame_is_its_duplicate_and_no_frame(index, root):
    frames = burst(root / "shots")
    with Image.open(frames[0]) as frame:
        jpeg(scaled(0.5)(frame), root / "export.jpg", 85, exif=frame.getexif())
    findings = find(index, root)
    [group] = findings.plan.groups
    assert names(group) == ("0.jpg", ["export.jpg"])
    [apart] = findings.related
    assert {apart.keeper.path, *(member.file.path for member in apart.members)} == set(frames)


def test_frames_far_apart_are_no_burst(index, root):
    burst(root, (0, 30))
    findings = find(index, root)
    assert findings.plan.groups == ()  # still two shots
    assert findings.related == ()


def test_two_fractions_of_a_second(index, root):
    picture = textured(8, SIZE)
    for number, fraction in enumerate(("20", "70")):
        jpeg(picture, root / f"{number}.jpg", 90 + number, exif=exif("2024:05:01 12:00:00", fraction))
    findings = find(index, root)
    assert stars(findings.plan.groups) == {}
    assert stars(findings.related) == {"burst": [("1.jpg", ["0.jpg"])]}


@pytest.mark.parametrize("asked", [[Kind.NEAR, Kind.BURST], [Kind.EXACT, Kind.RAW_JPEG], list(Kind)])
def test_a_plan_of_any_kinds_can_be_read_back(index, root, tmp_path, asked):
    """No file is in two groups, whatever is asked for."""
    frames = burst(root / "shots")
    with Image.open(frames[0]) as frame:
        jpeg(scaled(0.5)(frame), root / "export.jpg", 85, exif=frame.getexif())
    copied(frames[1], root / "copy.jpg")
    picture = textured(9, SIZE)
    for path in (camera_raw(picture, root / "IMG_1.dng"), jpeg(picture, root / "IMG_1.jpg")):
        copied(path, root / "backup" / path.name)
    plan = find(index, root, kinds=asked).plan
    assert plan.groups
    plan_file.write(plan, tmp_path / "plan.csv")
    assert plan_file.read(tmp_path / "plan.csv").groups == plan.groups


def test_groups_do_not_depend_on_order_or_threads(index, model, tmp_path, root):
    for seed in range(4):
        picture = textured(seed, SIZE)
        first = jpeg(picture, root / f"{seed}.jpg")
        copied(first, root / f"{seed} copy.jpg")
        jpeg(EDITS["grey"](picture), root / f"{seed} grey.jpg")
        jpeg(EDITS["mirrored"](picture), root / f"{seed} mirrored.jpg")
    paths = sorted(root.iterdir())
    for number, path in enumerate(paths):
        os.utime(path, ns=(number * 10**9, number * 10**9))
    expected = find(index, root, workers=4).plan.groups
    assert len(expected) == 8
    staged = tmp_path / "staged"
    root.rename(staged)
    root.mkdir()
    with Index.create(tmp_path / "other", model=str(model), device="cpu", workers=1) as other:
        for path in reversed(paths):
            (staged / path.name).rename(path)
            if "mirrored" in path.name:
                other.add(root)
                other.duplicates()
        assert [stars([group]) for group in find(other, root, workers=1).plan.groups] == [
            stars([group]) for group in expected
        ]


def test_finding_changes_no_file(index, root):
    burst(root)
    copied(root / "0.jpg", root / "copy.jpg")
    index.add(root)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in root.rglob("*")}
    index.duplicates()
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in root.rglob("*")} == before
