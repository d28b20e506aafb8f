import os
from pathlib import Path

import pytest
from removals import group

from retrieval.archive.shots import Shots
from retrieval.dedupe.run.records import ApplyOptions, Mode
from retrieval.dedupe.run.shot_removal import NAME_BYTES, choose_targets, gather_shot
from retrieval.errors import RunError


@pytest.fixture
def shot(tmp_path):
    """RAW, JPEG and sidecar of one shot, each with a copy in another folder."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for name in ("IMG_1.CR2", "IMG_1.JPG", "IMG_1.xmp"):
            (tmp_path / folder / name).write_bytes(name.encode())
    return tmp_path


def removals(root: Path, *names: str):
    made = [group(number, root / "a" / name, root / "b" / name) for number, name in enumerate(names, start=1)]
    return {one.members[0].file.path: (one, one.members[0]) for one in made}


def test_a_shot_has_its_twin_and_its_sidecars(shot):
    planned = removals(shot, "IMG_1.CR2", "IMG_1.JPG")
    found = gather_shot(*planned[shot / "b" / "IMG_1.JPG"], planned, Shots(), ApplyOptions())
    assert {path.name for path in found.paths} == {"IMG_1.CR2", "IMG_1.JPG", "IMG_1.xmp"}
    assert [path.name for path in found.sidecars] == ["IMG_1.xmp"]


def test_a_photo_stays_if_its_raw_has_no_copy_that_stays(shot):
    planned = removals(shot, "IMG_1.JPG")
    with pytest.raises(RunError, match=r"its RAW IMG_1\.CR2 has no copy that stays"):
        gather_shot(*planned[shot / "b" / "IMG_1.JPG"], planned, Shots(), ApplyOptions())


def test_a_link_is_made_for_one_file_alone(shot):
    planned = removals(shot, "IMG_1.JPG")
    found = gather_shot(*planned[shot / "b" / "IMG_1.JPG"], planned, Shots(), ApplyOptions(Mode.HARDLINK))
    assert found.paths == (shot / "b" / "IMG_1.JPG",)


def test_all_files_of_a_shot_get_the_same_number(tmp_path):
    paths = (Path("/x/IMG_1.CR2"), Path("/x/IMG_1.JPG.xmp"))
    assert [path.name for path in choose_targets(paths, "IMG_1", tmp_path).values()] == ["IMG_1.CR2", "IMG_1.JPG.xmp"]
    (tmp_path / "IMG_1.CR2").touch()
    (tmp_path / "IMG_1 (2).JPG.xmp").symlink_to("nowhere")
    names = [path.name for path in choose_targets(paths, "IMG_1", tmp_path).values()]
    assert names == ["IMG_1 (3).CR2", "IMG_1 (3).JPG.xmp"]


def test_a_number_keeps_the_longest_names_possible(tmp_path):
    name = "ü" * 125 + ".jpg"
    (tmp_path / name).touch()
    (chosen,) = choose_targets((Path("/x") / name,), "ü" * 125, tmp_path).values()
    assert len(os.fsencode(chosen.name)) <= NAME_BYTES
    assert chosen.name.endswith(" (2).jpg")
