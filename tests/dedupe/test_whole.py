"""Duplicates from end to end, as a person clears them out: find, read, apply, undo, find again."""

import csv
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import ImageOps
from textures import saved, textured

from retrieval.cli import main


def tree(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file with its bytes and time; the holding folder's files as well."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in files
    }


@pytest.fixture
def library(tmp_path, model):
    """One picture in five files and another in two, among strangers; two families share a keeper of exact copies."""
    root = tmp_path / "photos"
    first, second = textured(1), textured(2)
    saved(first, root / "a.png")
    shutil.copy2(root / "a.png", root / "copy of a.png")
    saved(ImageOps.mirror(first).resize((240, 180)), root / "web" / "a-mirrored.jpg", quality=85)
    shutil.copy2(root / "web" / "a-mirrored.jpg", root / "web" / "a-mirrored again.jpg")
    saved(first, root / "a.bmp")
    saved(second, root / "b.jpg", quality=95)
    saved(second.crop((10, 10, 300, 220)), root / "b-crop.jpg", quality=80)
    for seed in range(10, 16):
        saved(textured(seed), root / f"stranger-{seed}.jpg")
    run("index", root, "--index", tmp_path / "index", "--model", model)
    return root


def run(*words: object) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def test_what_is_found_is_applied_and_undone(library, tmp_path):
    index, plan = tmp_path / "index", tmp_path / "plan.csv"
    before = tree(library)

    run("dedupe", "find", "--index", index, "-o", plan, "--html", tmp_path / "plan.html")
    assert tree(library) == before
    run("dedupe", "apply", plan, "--index", index, "--dry-run")
    assert tree(library) == before

    run("dedupe", "apply", plan, "--index", index)  # exact copies alone
    assert not (library / "copy of a.png").exists()
    assert sorted(path.name for path in (library / "web").iterdir()) == ["a-mirrored.jpg"]
    run("dedupe", "apply", plan, "--index", index, "--kinds", "exact,same-pixels,near")
    left = {path.name for path in library.iterdir() if path.is_file()}
    assert left == {"a.bmp", "b.jpg", *(f"stranger-{seed}.jpg" for seed in range(10, 16))}

    after = tree(library)
    assert sorted(digest for digest, _ in after.values()) == sorted(digest for digest, _ in before.values())
    run("index", "--index", index)
    assert groups(index) == []

    run("dedupe", "undo", "--index", index)
    run("dedupe", "undo", json.loads(run("dedupe", "runs", "--index", index, "--format", "json").stdout)[0]["run"],
        "--index", index)  # fmt: skip
    assert tree(library) == before
    assert len(groups(index)) == 4
    run("verify", "--index", index, "--hashes")


def test_a_person_edits_the_plan(library, tmp_path):
    index, plan = tmp_path / "index", tmp_path / "plan.csv"
    run("dedupe", "find", "--index", index, "-o", plan)
    with plan.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = list(csv.reader(file))
    column = {name: place for place, name in enumerate(header)}
    for row in rows:  # a.png is to stay instead of a.bmp, and b-crop.jpg instead of b.jpg, all else is left alone
        name = Path(row[column["path"]]).name
        row[column["action"]] = "remove" if name in ("a.bmp", "b.jpg") else "keep"
    with plan.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    before = tree(library)
    words = ("dedupe", "apply", plan, "--index", index, "--kinds", "near,same-pixels,exact")
    result = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert {name for name in before if not (library / name).exists()} == {"a.bmp"}
    assert "b-crop.jpg lacks 21 % of the frame" in result.output
    run("dedupe", "undo", "--index", index)
    assert tree(library) == before


def groups(index: Path) -> list[object]:
    found: list[object] = json.loads(run("dedupe", "find", "--index", index, "--format", "json").stdout)["groups"]
    return found
