"""Plan files: a plan reads back as it was written, nothing is overwritten unasked, other files are refused."""

import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from plans import PLANS, near, plan

from retrieval.dedupe.plan import plan_file
from retrieval.errors import PlanError

SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@SAME_FOLDER
@given(PLANS)
def test_nothing_is_lost(tmp_path, made):
    for suffix in ("csv", "json"):
        path = tmp_path / f"plan.{suffix}"
        plan_file.write(made, path, overwrite=True)
        assert plan_file.read(path) == made


def test_an_empty_plan(path):
    plan_file.write(plan(), path)
    assert plan_file.read(path) == plan()


def test_a_file_that_is_there_is_kept(path):
    plan_file.write(plan(near()), path)
    before = path.read_bytes()
    with pytest.raises(PlanError, match="exists"):
        plan_file.write(plan(), path)
    assert path.read_bytes() == before
    plan_file.write(plan(), path, overwrite=True)
    assert plan_file.read(path) == plan()


def test_a_plan_that_cannot_be_written_leaves_nothing(tmp_path, path):
    with pytest.raises(PlanError, match="cannot be written"):
        plan_file.write(plan(), tmp_path / "missing" / path.name)
    odd = plan(replace(near(), why=None))
    odd = plan(replace(odd.groups[0], members=None))
    with pytest.raises(TypeError):
        plan_file.write(odd, path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["plan", "plan.txt", "plan.csv.gz"])
def test_other_suffixes_are_refused(tmp_path, name):
    with pytest.raises(PlanError, match=r"\.csv or \.json"):
        plan_file.write(plan(), tmp_path / name)
    with pytest.raises(PlanError, match=r"\.csv or \.json"):
        plan_file.read(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "data", "match"),
    [
        ("plan.csv", b"", "is empty"),
        ("plan.json", b"\n", "is empty"),
        ("plan.csv", b"\xef\xbb\xbf\r\n", "is empty"),
        ("plan.csv", b"\xff\xd8\xff\xe0 no text", "is not UTF-8"),
        ("plan.json", b"\xff\xd8\xff\xe0 no text", "is not valid JSON"),
        ("plan.csv", b"name,value\n1,2\n", "is not a plan"),
        ("plan.csv", b"x" * 200_000, "not valid CSV"),
        ("plan.json", b"[1, 2]", "is not a plan"),
        ("plan.json", b'{"groups": []}', "is not a plan"),
        ("plan.json", b"[" * 100_000, "is not valid JSON"),
        ("plan.json", b'{"format_version": 1, "tool": "retrieval", "groups": []}', "lacks its date"),
    ],
)
def test_other_files_are_not_plans(tmp_path, name, data, match):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(PlanError, match=match) as caught:
        plan_file.read(tmp_path / name)
    assert name in str(caught.value)


def test_a_missing_plan_and_a_folder(tmp_path, path):
    with pytest.raises(PlanError, match="cannot be read"):
        plan_file.read(path)
    path.mkdir()
    with pytest.raises(PlanError, match="cannot be read"):
        plan_file.read(path)


def test_a_newer_version(path):
    plan_file.write(plan(near()), path)
    data = path.read_bytes()
    quote = b'""' if path.suffix == ".csv" else b'"'
    assert data.count(quote + b"format_version" + quote + b": 1") == 1
    path.write_bytes(data.replace(b"format_version" + quote + b": 1", b"format_version" + quote + b": 2"))
    with pytest.raises(PlanError, match="newer version"):
        plan_file.read(path)


@pytest.mark.skipif(os.name == "nt", reason="Windows needs a privilege for links")
def test_a_link_is_not_overwritten_either(tmp_path, path):
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(PlanError, match="exists"):
        plan_file.write(plan(), path)
