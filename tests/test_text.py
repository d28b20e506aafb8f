import csv
import io
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.text import (
    csv_line,
    dump_json,
    format_count,
    format_size,
    is_formula,
    printable,
    spreadsheet_cell,
    tsv_line,
)

names = st.binary(max_size=40).map(os.fsdecode)
UNESCAPES = {"\\\\": "\\", "\\t": "\t", "\\n": "\n", "\\r": "\r"}


def unescape(cell: str) -> str:
    pieces, position = [], 0
    while position < len(cell):
        pair = cell[position : position + 2]
        pieces.append(UNESCAPES.get(pair, cell[position]))
        position += 2 if pair in UNESCAPES else 1
    return "".join(pieces)


@given(names)
def test_json_holds_any_file_name_and_is_valid_utf8(name):
    text = dump_json({"path": name})
    assert json.loads(text.encode("utf-8")) == {"path": name}


@given(st.lists(names, min_size=1, max_size=3))
def test_tsv_keeps_one_line_a_row_and_every_byte(row):
    line = tsv_line(row)
    assert line.count("\n") == 1
    assert [unescape(cell) for cell in line[:-1].split("\t")] == row
    line.encode("utf-8", "surrogateescape")


@given(names)
def test_nothing_steers_a_terminal(name):
    assert printable(name).isprintable()
    printable(name).encode()


def test_json_keeps_readable_text_readable():
    assert dump_json("Kühe 🐦") == '"Kühe 🐦"'


def unquoted(cell: str) -> str:
    return json.loads(cell) if cell.startswith('"') else cell


@given(st.lists(names.filter(lambda name: "\0" not in name), min_size=2, max_size=3))
def test_csv_of_the_standard_library_reads_ours(row):
    assert [unquoted(cell) for cell in next(csv.reader(io.StringIO(csv_line(row), newline="")))] == row


@pytest.mark.parametrize(
    "text",
    [
        *('=HYPERLINK("http://x")', "+1", "-1+cmd|' /C calc'!A0", "@SUM(A1)", "＝1", "＋1", "－1", "＠x"),
        *("\t=1", "\r=1", "\tx", "\rx", "  =1", "\xa0=1", "a;=1", "a; =1", "a\n=1", '"quoted"', "=a;=b"),
    ],
)
def test_a_spreadsheet_runs_nothing_and_the_text_comes_back(text):
    cell = spreadsheet_cell(text)
    assert cell.startswith('"')
    assert json.loads(cell) == text
    for separator in ",;\t":  # by which locales tell cells apart
        line = csv_line(["x", text])
        for row in csv.reader(io.StringIO(line, newline=""), delimiter=separator):
            assert not any(part.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")) for part in row)


@pytest.mark.parametrize(
    "text", ["", "Reed warbler", "/photos/a-b=c+d@e.jpg", "NIKON Z 9", "a;b", "2021-03-04T06:12:33"]
)
def test_other_text_stays_as_it_is(text):
    assert spreadsheet_cell(text) == text
    assert not is_formula(text)


def test_numbers_stay_numbers():
    row = [-55.25, -1, 1e-06, 0.87, None, True, 12_345_678]
    assert csv_line(row) == "-55.25,-1,0.000001,0.87,,true,12345678\r\n"
    assert tsv_line(row) == "-55.25\t-1\t0.000001\t0.87\t\ttrue\t12345678\n"


@pytest.mark.parametrize("char", ["\x1b", "\x7f", "\x9b", "\u202e", "\u2066", "\u2028"])
def test_json_holds_nothing_that_steers_a_terminal(char):
    text = dump_json({"path": f"a{char}b"})
    assert text.isprintable()
    assert json.loads(text) == {"path": f"a{char}b"}


def test_counts():
    assert (format_count(1, "file"), format_count(12_000, "file")) == ("1 file", "12,000 files")


@pytest.mark.parametrize(
    ("bytes_", "said"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (9_949, "9.9 kB"),
        (9_951, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_234_567_890, "1.2 GB"),
        (38_000_000_000, "38 GB"),
        (2 * 10**12, "2.0 TB"),
        (10**24, "1000000 EB"),
    ],
)
def test_bytes_for_people(bytes_, said):
    assert format_size(bytes_) == said
