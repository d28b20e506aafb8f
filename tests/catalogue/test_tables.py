from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import inspect
from sqlalchemy.dialects import sqlite

from retrieval.catalogue.tables import Base, Boxes, ListedTable, LocalTime, PathText

DIALECT = sqlite.dialect()


def both_ways(column, value):
    stored = column.process_bind_param(value, DIALECT)
    return stored, column.process_result_value(stored, DIALECT)


@pytest.mark.parametrize("path", ["a/b.jpg", "Müll/🐦.jpg", "not utf-8 \udcff\udcfe", ""])
def test_paths_are_the_file_systems_bytes(path):
    stored, back = both_ways(PathText(), path)
    assert isinstance(stored, bytes)
    assert back == path


@pytest.mark.parametrize(
    ("time", "stored"),
    [
        (datetime(2021, 3, 4, 6, 12, 33), "2021-03-04T06:12:33.000"),
        (datetime(2021, 3, 4, 6, 12, 33, 250_999), "2021-03-04T06:12:33.250"),
        (datetime(2021, 3, 4, 6, 12, tzinfo=timezone(timedelta(hours=3))), "2021-03-04T06:12:00.000+03:00"),
    ],
)
def test_times_keep_an_unknown_offset_unknown(time, stored):
    text, back = both_ways(LocalTime(), time)
    assert text == stored
    assert back == time.replace(microsecond=time.microsecond // 1000 * 1000)
    assert back.tzinfo == time.tzinfo


def test_boxes_are_whole_numbers():
    assert both_ways(Boxes(), ((1, 2, 3, 4), (5, 6, 7, 8))) == ("[[1,2,3,4],[5,6,7,8]]", ((1, 2, 3, 4), (5, 6, 7, 8)))
    assert both_ways(Boxes(), ()) == ("", ())


@pytest.mark.parametrize("column", [PathText(), LocalTime(), Boxes()])
def test_nothing_stays_nothing(column):
    assert both_ways(column, None) == (None, None)


def test_the_migrations_make_these_tables(database):
    """Every table and column that a query can name exists, with the same name, in a database that was migrated."""
    with database.transaction() as connection:
        found = inspect(connection)
        for name, table in Base.metadata.tables.items():
            if name != ListedTable.__tablename__:  # temporary, on the connection of a run
                assert {column["name"] for column in found.get_columns(name)} == set(table.columns.keys()), name
