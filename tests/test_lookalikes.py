"""The benchmark of lookalikes makes the same sets again, resumes, and judges what a detector says."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from bench import generated
from textures import textured
from tiny import tiny_checkpoint

BENCH = Path(generated.__file__).parent


@pytest.fixture(scope="module")
def shots():
    """The benchmark's own modules, which import each other as its script sees them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCH)
        from shots import archive, detector, expectations

        yield {"archive": archive, "detector": detector, "expectations": expectations}


@pytest.fixture
def backgrounds(tmp_path):
    folder = tmp_path / "backgrounds"
    folder.mkdir()
    for seed in range(3):
        textured(seed, (640, 480)).save(folder / f"{seed}.jpg", quality=95)
    return folder


def run(backgrounds: Path, work: Path, *words: str) -> str:
    command = [sys.executable, BENCH / "lookalikes.py", backgrounds, "--quick", "--sides=400", "--work", work, *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def contents(work: Path) -> dict[str, bytes]:
    archive = work / "archive"
    return {path.relative_to(archive).as_posix(): path.read_bytes() for path in archive.rglob("*") if path.is_file()}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_run(backgrounds, tmp_path):
    work, looks = tmp_path / "work", tmp_path / "looks"
    said = run(backgrounds, work, "--count=1", "--only=subject replaced,scaled down", "--looks", str(looks))
    truth = {row["folder"]: row for row in rows(work / "truth.csv")}
    assert len(truth) == 9
    assert truth["subject-replaced/8-000"]["expectation"] == "never"
    assert truth["scaled-down/1-of-2-000"]["expectation"] == "keep first"
    judged = rows(work / "judgements.csv")
    assert len(judged) == 9
    assert {row["outcome"] for row in judged if row["category"] == "scaled down"} == {"right"}
    wrong = sum(row["outcome"] == "wrong" for row in judged)
    assert len(list(looks.iterdir())) == wrong
    total = next(line for line in said.splitlines() if line.startswith("all "))
    assert total.split()[1] == "9"


def test_a_run_resumes_and_makes_the_same_again(backgrounds, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    run(backgrounds, first, "--count=2", "--only=lamp,mirrored")
    run(backgrounds, second, "--count=1", "--only=lamp")
    truth = second / "truth.csv"
    truth.write_text(truth.read_text(encoding="utf-8") + "lamp changed colour,2 %,lamp-", encoding="utf-8")  # stopped
    before = {path: path.stat().st_mtime_ns for path in (second / "archive").rglob("*.jpg")}
    run(backgrounds, second, "--count=2", "--only=lamp,mirrored")
    assert contents(first) == contents(second)
    assert (first / "truth.csv").read_bytes() == truth.read_bytes()
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


@pytest.mark.parametrize(
    ("expectation", "kind", "first_stays", "outcome"),
    [
        ("never", None, None, "right"),
        ("never", "same-scene", None, "right"),
        ("never", "near", None, "wrong"),
        ("keep first", "near", None, "right"),
        ("keep first", "near", False, "wrong"),
        ("keep first", "exact", True, "right"),
        ("keep first", None, None, "missed"),
        ("keep first or all", None, None, "right"),
        ("keep first or all", "same-pixels", False, "wrong"),
        ("altered", "altered", None, "right"),
        ("altered", "near", True, "wrong"),
        ("altered", None, None, "missed"),
        ("either", "near", False, "right"),
        ("either", "burst", None, "missed"),
    ],
)
def test_what_is_wrong_right_and_missed(shots, expectation, kind, first_stays, outcome):
    assert shots["expectations"].judged(expectation, kind, first_stays) == outcome


def test_a_plan_for_the_whole_archive_is_judged(backgrounds, tmp_path):
    """Its one set is found by the index, whose plan keeps the original."""
    model = tiny_checkpoint(tmp_path / "tiny.pt")
    said = run(backgrounds, tmp_path / "work", "--count=1", "--only=lossy", "--model", str(model))
    assert "1 pairs judged" in said
    judged = rows(tmp_path / "work" / "judgements.csv")
    assert [(row["category"], row["outcome"], row["kind"]) for row in judged] == [("lossy WebP", "right", "near")]


def test_removals_are_judged_by_their_keepers(shots):
    detector, sets = (
        shots["detector"],
        [
            shots["archive"].Set("cropped", "5 %", "cropped/5", ("a.jpg", "b.jpg", "c.jpg"), "keep first"),
            shots["archive"].Set("subject gone", "5 %", "gone/5", ("a.jpg", "b.jpg"), "never"),
            shots["archive"].Set("watermark", "corner", "mark/0", ("a.jpg", "b.jpg"), "altered"),
        ],
    )
    links = [
        detector.Link("near", "cropped/5/b.jpg", "cropped/5/a.jpg", offered=True),
        detector.Link("near", "cropped/5/a.jpg", "cropped/5/c.jpg", offered=True),
        detector.Link("same-scene", "gone/5/b.jpg", "gone/5/a.jpg", offered=False),
        detector.Link("altered", "mark/0/b.jpg", "mark/0/a.jpg", offered=True),
        detector.Link("near", "gone/5/a.jpg", "cropped/5/a.jpg", offered=True),
    ]
    judged = [(one.category, one.first, one.second, one.outcome) for one in detector.judged_links(sets, links)]
    assert judged == [
        ("cropped", "cropped/5/a.jpg", "cropped/5/b.jpg", "right"),
        ("cropped", "cropped/5/a.jpg", "cropped/5/c.jpg", "wrong"),
        ("subject gone", "gone/5/a.jpg", "gone/5/b.jpg", "right"),
        ("watermark", "mark/0/a.jpg", "mark/0/b.jpg", "right"),
        ("files of two sets", "cropped/5/a.jpg", "gone/5/a.jpg", "wrong"),
    ]
