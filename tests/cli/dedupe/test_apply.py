import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from removals import tree

from retrieval.cli import main
from retrieval.lock import writing


def call(*words: object) -> Result:
    return CliRunner().invoke(main, ["dedupe", *(str(word) for word in words)])


def test_apply_runs_undo(removable):
    before = tree(removable.root)
    rehearsed = call("apply", "plan.csv", "--dry-run")
    assert rehearsed.exit_code == 0
    assert "1 photo and 1 sidecar (" in rehearsed.stderr
    assert "would be moved" in rehearsed.stderr
    assert tree(removable.root) == before

    done = call("apply", "plan.csv")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "1 photo and 1 sidecar (" in done.stderr
    assert str(removable.root / ".retrieval-held") in done.stderr
    assert tree(removable.root) != before

    [run] = json.loads(call("runs", "--format", "json").stdout)
    assert (run["mode"], run["files"], run["state"]) == ("move", 2, "finished")
    assert f"retrieval dedupe undo {run['run']}" in done.stderr
    assert call("runs").stdout.splitlines()[0].split("\t") == list(run)
    assert run["run"] in call("runs", "--format", "table").stdout

    back = call("undo")
    assert (back.exit_code, back.stdout) == (0, "")
    assert "1 photo and 1 sidecar (" in back.stderr
    assert tree(removable.root) == before
    assert json.loads(call("runs", "--format", "json").stdout)[0]["state"] == "undone"
    assert "nothing left to put back" in call("undo", run["run"]).stderr


def test_skipped_files_are_named_and_strict_makes_them_an_exit_code(removable):
    (removable.root / "b" / "new\nline.jpg").write_bytes(b"edited")
    done = call("apply", "plan.csv")
    assert done.exit_code == 0
    assert "skipped (group 1): " in done.stderr
    assert r"new\nline.jpg has changed since" in done.stderr
    assert call("apply", "plan.csv", "--strict").exit_code == 3


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--trash", "--hardlink"], "Choose only one"),
        (["--to", "held", "--delete"], "Choose only one"),
        (["--delete"], "--yes-delete-permanently"),
        (["--kinds", "burst"], "not burst"),
        (["--kinds", ","], "not nothing"),
    ],
)
def test_wishes_that_do_not_go_together_are_usage_errors(removable, words, reason):
    before = tree(removable.root)
    refused = call("apply", "plan.csv", *words)
    assert refused.exit_code == 2
    assert reason in refused.stderr
    assert tree(removable.root) == before


def test_hardlinks_of_other_kinds_are_refused(removable):
    refused = call("apply", "plan.csv", "--hardlink", "--kinds", "near")
    assert refused.exit_code == 1
    assert "same bytes" in refused.stderr


def test_delete_with_all_its_words(removable):
    done = call("apply", "plan.csv", "--delete", "--yes-delete-permanently")
    assert done.exit_code == 0
    photo_line, sidecar_line, undo_line = done.stderr.splitlines()
    assert photo_line.startswith("1 photo (")
    assert photo_line.endswith(" deleted.")
    assert sidecar_line.startswith(f"1 sidecar moved to {removable.root / '.retrieval-held'}")
    assert undo_line.startswith("To put the sidecars back: retrieval dedupe undo")
    assert not (removable.root / "b" / "new\nline.jpg").exists()
    assert "deleted permanently" in call("undo").stderr
    assert (removable.root / "b" / "new\nline.xmp").read_text() == "edits"


def test_undo_says_what_to_do_about_a_place_that_is_taken(removable):
    call("apply", "plan.csv")
    (removable.root / "b" / "new\nline.jpg").write_text("a new photo of that name")
    back = call("undo")
    assert "another file is at" in back.stderr
    assert "move that file elsewhere, then run `retrieval dedupe undo` again" in back.stderr
    assert "0 photos and 1 sidecar" in back.stderr


def test_a_folder_of_choice(removable, tmp_path):
    assert call("apply", "plan.csv", "--to", "held").exit_code == 0
    assert (tmp_path / "held" / "archive" / "b" / "new\nline.jpg").exists()


def test_another_writer(removable):
    with writing(removable.folder):
        for words in (("apply", "plan.csv"), ("undo",)):
            refused = call(*words)
            assert refused.exit_code == 1
            assert refused.stderr.startswith("Error: ")


def test_ctrl_c_ends_with_130_and_tells_how_to_go_on(removable, monkeypatch):
    import signal

    from retrieval.dedupe.run import transfer

    real = transfer.move

    def move(*arguments):
        if Path(arguments[1]).suffix == ".xmp":  # one of the two, by its target; a second Ctrl-C would stop at once
            os.kill(os.getpid(), signal.SIGINT)
        real(*arguments)

    monkeypatch.setattr(transfer, "move", move)
    stopped = call("apply", "plan.csv")
    assert stopped.exit_code == 130
    assert "Run the same command again" in stopped.stderr
    assert "retrieval dedupe undo" in stopped.stderr
    assert json.loads(call("runs", "--format", "json").stdout)[0]["state"] == "unfinished"
    assert not (removable.root / "b" / "new\nline.jpg").exists()  # the shot in hand was finished
    assert not (removable.root / "b" / "new\nline.xmp").exists()


def test_what_was_done_is_data_where_a_format_is_asked_for(removable):
    done = call("apply", "plan.csv", "--format", "json")
    found = json.loads(done.stdout)
    assert (found["mode"], found["dry_run"], found["photos"] > 0, found["bytes"] > 0) == ("move", False, True, True)
    assert found["run"] in done.stderr  # the words for a person are there as well
    undone = json.loads(call("undo", "--format", "json").stdout)
    assert (undone["run"], undone["photos"], undone["skipped"]) == (found["run"], found["photos"], [])
    assert call("undo").stdout == ""
