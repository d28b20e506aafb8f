import json

from calling import call as run
from click.testing import Result


def call(*words: object) -> Result:
    return run("dedupe", *words)


def test_no_run(removable):
    refused = call("undo")
    assert refused.exit_code == 1
    assert "nothing to undo" in refused.stderr
    assert call("runs", "--format", "json").stdout == "[]\n"


def test_runs_are_listed_with_their_state(removable):
    call("apply", "plan.csv")
    (run,) = json.loads(call("runs", "--format", "json").stdout)
    assert (run["mode"], run["files"], run["state"]) == ("move", 2, "finished")
    assert call("undo", run["run"]).exit_code == 0
    (line,) = call("runs", "--format", "jsonl").stdout.splitlines()
    assert json.loads(line)["state"] == "undone"
