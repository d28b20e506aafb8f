import json

from calling import call


def test_a_table_for_people_and_a_document_for_programs(indexed):
    table = call("status").stdout
    assert "12 indexed, 0 failed, 0 gone" in " ".join(table.split())
    found = json.loads(call("status", "--format", "json").stdout)
    assert found["photos"] == {"indexed": 12, "failed": 0, "gone": 0}
    assert found["roots"] == {"archive": str(indexed / "archive")}
    rows = dict(line.split("\t") for line in call("status", "--format", "tsv").stdout.splitlines())
    assert rows["photos.indexed"] == "12"


def test_failures_are_rows(indexed):
    assert call("status", "--failures", "--format", "json").stdout == "[]\n"
    (indexed / "archive" / "bad.jpg").write_text("no photo")
    assert call("index").exit_code == 0
    header, row = call("status", "--failures", "--format", "csv").stdout.splitlines()
    assert header == "path,kind,reason"
    assert row.startswith(f"{indexed / 'archive' / 'bad.jpg'},not-a-photo,")
