import shlex

from retrieval.cli.remedies import WORDS, advice, in_words
from retrieval.errors import ArchiveError, IndexFormatError, QueryError, Remedy


def test_the_command_lines_words_stand_for_the_librarys():
    error = IndexFormatError("/index is broken", Remedy.REPAIR)
    assert in_words(error) == "/index is broken: run `retrieval verify --repair`"
    assert str(error) == "/index is broken: repair the index"


def test_without_words_of_its_own_an_error_is_said_as_the_library_says_it():
    assert Remedy.FREE_SPACE not in WORDS
    for error in (QueryError("k is 0"), IndexFormatError("no room", Remedy.FREE_SPACE)):
        assert in_words(error) == str(error)
    assert advice(Remedy.FREE_SPACE) == Remedy.FREE_SPACE.value
    assert advice(Remedy.REPAIR) == "run `retrieval verify --repair`"


def test_names_in_a_command_are_one_word_of_a_shell():
    error = ArchiveError("it is gone", Remedy.MOUNT_OR_RELOCATE, root="my birds; rm -rf ~")
    command = in_words(error).split("`")[1]
    assert shlex.split(command) == ["retrieval", "relocate", "my birds; rm -rf ~", "FOLDER"]
