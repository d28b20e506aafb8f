"""Tables for people."""

from retrieval.present.table import Column, table


def test_a_table_as_long_as_it_may_be_is_as_wide_as_its_beginning():
    """Rows behind those that set the widths are written whole, and no later than they come."""
    columns = (Column("name", str), Column("size", lambda number: str(number), right=True))
    numbers = [1, 22, 333_333, 4]
    lines = list(table(columns, iter(numbers), "none", measured=2))
    assert [line.split() for line in lines] == [["name", "size"], *([str(one)] * 2 for one in numbers)]
    assert len(lines[1]) == len(lines[2]) < len(lines[3])


def test_no_rows_say_so():
    assert list(table((Column("name", str),), [], "nothing here")) == ["nothing here\n"]


def test_what_would_steer_a_terminal_is_escaped():
    assert "\x1b" not in "".join(table((Column("name", str),), ["\x1b[2J"], ""))
