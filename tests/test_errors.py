import errno
from pathlib import Path
from string import Formatter

import pytest

from retrieval import errors
from retrieval.errors import IndexFormatError, Interrupted, PhotoError, QueryError, Remedy, RetrievalError, StorageError

TREE = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, RetrievalError)]


def test_the_message_says_what_happened_and_what_to_do():
    error = IndexFormatError("/index is broken", Remedy.REPAIR)
    assert str(error) == "/index is broken: repair the index"
    assert (error.what, error.remedy, error.details) == ("/index is broken", Remedy.REPAIR, {})
    assert str(QueryError("k is 0")) == "k is 0"


def test_details_stand_in_the_message_and_are_kept_as_data():
    error = RetrievalError("no such input", Remedy.OTHER_INPUT_SIZE, patch=16)
    assert str(error) == "no such input: choose a multiple of 16"
    assert error.details == {"patch": 16}


def test_a_remedy_without_its_details_is_noticed_where_it_is_raised():
    with pytest.raises(KeyError):
        RetrievalError("no such input", Remedy.OTHER_INPUT_SIZE)


def test_remedies_differ_and_name_no_option():
    assert len({remedy.value for remedy in Remedy}) == len(Remedy)
    for remedy in Remedy:
        assert "--" not in remedy.value
        assert all(name.isidentifier() for _, name, _, _ in Formatter().parse(remedy.value) if name is not None)


def test_every_error_of_the_tree_in_the_docstring_exists():
    assert errors.__doc__ is not None
    for one in TREE:
        assert one.__name__ in errors.__doc__


def test_a_file_that_cannot_be_written_is_an_error_of_the_system_too():
    error = StorageError(Path("/disk/a"), errno.ENOSPC, "No space left on device", Remedy.FREE_SPACE)
    assert isinstance(error, OSError)
    assert isinstance(error, RetrievalError)
    assert error.errno == errno.ENOSPC
    assert "/disk/a" in str(error) and "\n" not in str(error)


def test_a_photo_has_a_kind_to_group_by():
    error = PhotoError("truncated", "it ends early")
    assert (error.kind, error.reason, str(error)) == ("truncated", "it ends early", "it ends early")


def test_stopping_is_no_error():
    assert not issubclass(Interrupted, Exception)
