import csv
import io
import json
import os

from hypothesis import given
from hypothesis import strategies as st

from retrieval.text import dump_json, printable, tsv_line

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


@given(st.lists(names.filter(lambda name: "\0" not in name), min_size=2, max_size=3))
def test_csv_of_the_standard_library_reads_ours(row):
    from retrieval.text import csv_line

    assert next(csv.reader(io.StringIO(csv_line(row), newline=""))) == row
