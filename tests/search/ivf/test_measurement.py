"""What is kept beside an index: read back as it was, and not believed where it makes no sense."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from retrieval.search.ivf.measurement import IvfPoint, Measurement

MEASURED = Measurement(
    rows=5000,
    size=4990,
    trained_rows=4000,
    measured_rows=4500,
    lists=102,
    nprobe=9,
    shortlist=120,
    recall=0.9931,
    target_recall=0.99,
    k=20,
    sample=1000,
    imbalance=1.25,
    code="32 of 64 axes in 64 bits, scored again in half precision",
    memory_bytes=100_000,
    target_memory_bytes=None,
    sha256="ab" * 32,
    checksums="cd" * 32,
    curve=(IvfPoint(3, 60, 0.91, 0.2), IvfPoint(9, 120, 0.9931, 0.5)),
)


def test_a_measurement_is_kept_beside_the_index(tmp_path: Path) -> None:
    MEASURED.save(tmp_path / "ivf.json")
    assert Measurement.load(tmp_path / "ivf.json") == MEASURED
    assert [path.name for path in tmp_path.iterdir()] == ["ivf.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"rows": 5000}',
        json.dumps({"rows": "many"}),
        json.dumps({**asdict(MEASURED), "rows": "many"}),
        json.dumps({**asdict(MEASURED), "curve": 7}),
        json.dumps({**asdict(MEASURED), "rows": True}),
        json.dumps({**asdict(MEASURED), "rows": -5000}),
        json.dumps({**asdict(MEASURED), "size": 5001}),
        json.dumps({**asdict(MEASURED), "nprobe": 0}),
        json.dumps({**asdict(MEASURED), "nprobe": 103}),
        json.dumps({**asdict(MEASURED), "shortlist": -1}),
        json.dumps({**asdict(MEASURED), "k": 0}),
        json.dumps({**asdict(MEASURED), "recall": float("nan")}),
        json.dumps({**asdict(MEASURED), "recall": 1.5}),
        json.dumps({**asdict(MEASURED), "target_recall": float("nan")}),
        json.dumps({**asdict(MEASURED), "target_recall": 2}),
        json.dumps({**asdict(MEASURED), "target_recall": 0}),
        json.dumps({**asdict(MEASURED), "imbalance": float("inf")}),
        json.dumps({**asdict(MEASURED), "target_memory_bytes": -1}),
        json.dumps({**asdict(MEASURED), "curve": [{"nprobe": 1, "shortlist": 1, "recall": float("nan"), "ms": 1}]}),
        "\x00\xff",
    ],
    ids=repr,
)
def test_what_makes_no_sense_counts_as_not_measured(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ivf.json"
    assert Measurement.load(path) is None
    path.write_bytes(text.encode("latin-1"))
    assert Measurement.load(path) is None


def test_what_0_1_0_wrote_is_understood(tmp_path: Path) -> None:
    values = asdict(MEASURED)
    values["wished_memory"] = values.pop("target_memory_bytes")
    del values["checksums"]
    (tmp_path / "ivf.json").write_text(json.dumps(values))
    assert Measurement.load(tmp_path / "ivf.json") == replace(MEASURED, checksums="")


def test_no_nonsense_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        replace(MEASURED, recall=float("nan")).save(tmp_path / "ivf.json")
    assert list(tmp_path.iterdir()) == []
