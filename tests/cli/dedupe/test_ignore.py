import json

import pytest
from calling import call
from click.testing import Result


def find(*words: object) -> Result:
    return call("dedupe", "find", *words)


def ignore(*words: object) -> Result:
    return call("dedupe", "ignore", *words)


def test_ignoring(library):
    done = ignore("archive/one.jpg", "archive/b/edit.jpg")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "1 pair will not be found as duplicates" in done.stderr
    assert [group["kind"] for group in json.loads(find("--format", "json").stdout)["groups"]] == ["exact"]
    listed = ignore("--list")
    [_, line] = listed.stdout.splitlines()
    names = set(line.split("\t"))
    assert str(library / "archive" / "b" / "edit.jpg") in names
    assert len(names) == 2
    back = ignore("--undo", "archive/b/edit.jpg", "archive/one.jpg")
    assert "1 pair can be found as duplicates again" in back.stderr
    assert ignore("--list").stdout == "first\tsecond\n"
    assert len(json.loads(find("--format", "json").stdout)["groups"]) == 2


def test_ignoring_three_makes_three_pairs(library):
    done = ignore("archive/one.jpg", "archive/b/edit.jpg", "archive/two.jpg")
    assert "3 pairs will not" in done.stderr
    assert len(ignore("--list").stdout.splitlines()[1:]) == 3


def test_ignored_photos_that_are_gone_are_listed(library):
    ignore("archive/one.jpg", "archive/two.jpg")
    (library / "archive" / "two.jpg").unlink()
    call("index")
    assert "(a photo that is gone)" in ignore("--list").stdout


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        ([], 2, "Name at least two photos, or add --list"),
        (["archive/one.jpg"], 2, "Name at least two photos"),
        (["--list", "archive/one.jpg", "archive/two.jpg"], 2, "--list"),
        (["archive/one.jpg", "archive/b/copy\nof one.jpg"], 1, "same bytes"),
        (["archive/one.jpg", "archive/none.jpg"], 1, "none.jpg"),
        (["archive/one.jpg", "archive"], 1, "archive"),
    ],
)
def test_ignoring_what_makes_no_sense(library, words, code, reason):
    refused = ignore(*words)
    assert (refused.exit_code, refused.stdout) == (code, "")
    assert reason in refused.stderr
    if code == 1:
        assert len(refused.stderr.splitlines()) == 1
