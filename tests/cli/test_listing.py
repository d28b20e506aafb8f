import io
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.cli.listing import CHUNK_BYTES, STDIN, Listing
from retrieval.errors import QueryError


def test_lines_are_paths_byte_for_byte(tmp_path):
    (tmp_path / "list").write_bytes(b"a.jpg\r\n\n  \nwith blank .jpg\nnot utf-8 \xff.jpg")
    listing = Listing(str(tmp_path / "list"))
    assert [os.fsencode(path) for path in listing] == [b"a.jpg", b"with blank .jpg", b"not utf-8 \xff.jpg"]
    assert listing.count() == 3


@given(st.lists(st.binary(min_size=1, max_size=9).filter(lambda name: b"\0" not in name and name.strip())))
def test_names_that_end_with_nul_may_hold_anything_else(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("lists") / "list"
    path.write_bytes(b"".join(name + b"\0" for name in names))
    assert [os.fsencode(found) for found in Listing(str(path), nul=True)] == names


@pytest.mark.parametrize("length", [CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1])
def test_names_across_chunks_stay_whole(tmp_path, length):
    (tmp_path / "list").write_bytes(b"a" * length + b"\0b\0")
    assert [len(name) for name in Listing(str(tmp_path / "list"), nul=True)] == [length, 1]


def test_stdin_is_read_once_and_not_counted(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\nb\n")))
    listing = Listing(STDIN)
    listing.check()
    assert listing.count() is None
    assert [*listing] == ["a", "b"]


def test_a_list_that_cannot_be_read_is_refused(tmp_path):
    for place in (tmp_path, tmp_path / "none"):
        with pytest.raises(QueryError, match="cannot be read"):
            Listing(str(place)).check()
