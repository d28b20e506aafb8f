from calling import call as run
from click.testing import Result


def call(*words: object) -> Result:
    return run("dedupe", *words)


def test_undo_leaves_what_is_in_the_way(removable):
    call("apply", "plan.csv")
    (removable.root / "b" / "new\nline.jpg").write_bytes(b"in the way")
    back = call("undo", "--strict")
    assert back.exit_code == 3
    assert "left (group 1): another file is at" in back.stderr
    assert "0 photos and 1 sidecar (" in back.stderr


def test_undo_puts_back_and_says_so_when_there_is_nothing_left(removable):
    applied = call("apply", "plan.csv")
    assert applied.exit_code == 0
    tried = call("undo", "--dry-run")
    assert "would be put back" in tried.stderr
    assert not (removable.root / "b" / "new\nline.jpg").exists()
    assert call("undo").exit_code == 0
    assert (removable.root / "b" / "new\nline.jpg").exists()
    assert "nothing left to put back" in call("undo").stderr
