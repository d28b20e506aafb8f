"""Plans as JSON: their shape, and what is refused."""

import json

import pytest
from plans import FOLDER, MTIME_NS, near, plan

from retrieval.dedupe.plan import plan_file
from retrieval.errors import PlanError


def test_json_has_the_documented_shape(tmp_path):
    plan_file.write(plan(near()), tmp_path / "plan.json")
    document = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    assert list(document) == ["format_version", "tool", "created_at", "index", "model", "groups"]
    (group,) = document["groups"]
    assert (group["group"], group["kind"], group["keeper"]["why"]) == (1, "near", "RAW")
    assert [member["reason"] for member in group["members"]] == ["crop 1 %", "crop 2 %"]
    assert group["members"][0]["moves_along"] == [str(FOLDER / "2.xmp")]


@pytest.mark.parametrize(
    "change",
    [
        lambda group: group.update(members=None),
        lambda group: group.update(members=[1]),
        lambda group: group.update(kind=["near"]),
        lambda group: group.update(group=True),
        lambda group: group["members"][0].update(moves_along=5),
        lambda group: group["members"][0].update(moves_along=[5]),
        lambda group: group["members"][0].update(cosine="0.9"),
        lambda group: group["members"][0].update(score=float("nan")),
        lambda group: group["members"][0].update(reason=7),
        lambda group: group["members"][0].update(width=-1),
        lambda group: group["members"][0].update(protected=None),
        lambda group: group["members"][0].update(path="/a\0b"),
        lambda group: group["members"][0].update(bytes=1.5),
        lambda group: group["members"][0].update(would_lose=["colour"]),
        lambda group: group["members"][0].update(places="[]"),
        lambda group: group["members"][0].update(places=[[1, 2, 3]]),
        lambda group: group["members"][0].update(keeper_places=[[1, 2, 3, 4.5]]),
        lambda group: group["members"][0].update(keeper_places=[[1, 2, 3, True]]),
        lambda group: group.update(keeper=5) or group["members"].pop(),
    ],
)
def test_spoiled_json(tmp_path, change):
    path = tmp_path / "plan.json"
    plan_file.write(plan(near()), path)
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document["groups"][0])
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(PlanError, match=r"plan\.json, group"):
        plan_file.read(path)


def test_times_in_json_may_be_numbers(tmp_path):
    path = tmp_path / "plan.json"
    plan_file.write(plan(near()), path)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(f'"{MTIME_NS}"', str(MTIME_NS)), encoding="utf-8-sig")
    assert plan_file.read(path) == plan(near())
