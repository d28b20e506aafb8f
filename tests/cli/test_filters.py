import click
import pytest

from retrieval.cli.filters import Circle, Moment, Name, filter_options
from retrieval.filters import Filter, Near


def test_types_take_their_own_values_back():
    """Defaults and prompts hand values that were converted before."""
    assert Circle().convert(Circle().convert("1,2,3", None, None), None, None) == (1, 2, 3)
    assert Moment().convert(Moment().convert("2021-5", None, None), None, None) == "2021-05"
    assert Name().split_envvar_value("Black kite,Reed warbler") == ["Black kite", "Reed warbler"]


def chosen(*words: str, **environment: str) -> Filter:
    """The filter that a command gets."""
    given: list[Filter] = []
    command = click.command()(filter_options(lambda filter: given.append(filter)))
    command.main(list(words), standalone_mode=False, auto_envvar_prefix="RETRIEVAL", prog_name="x")
    return given[0]


def test_every_option_becomes_its_field():
    words = ("--species", "a", "--species", "b", "--not-camera", "Canon", "--since", "2021-5", "--near", "1,2,3")
    expected = Filter(
        species=("a", "b"), not_camera=("Canon",), since="2021-05", near=(Near(1, 2, 3),), min_probability=0.5
    )
    assert chosen(*words, "--min-probability", "0.5") == expected
    assert chosen() == Filter()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--since", "yesterday"], "yesterday"),
        (["--near", "1,2"], "1,2"),
        (["--near", "91,0,1"], "91"),
        (["--min-probability", "2"], "2"),
        (["--since", "2022", "--until", "2021"], "2021"),
    ],
)
def test_values_that_make_no_sense_are_usage_errors(words, reason):
    with pytest.raises(click.UsageError, match=reason):
        chosen(*words)


def test_the_environment_separates_names_by_commas(monkeypatch):
    monkeypatch.setenv("RETRIEVAL_SPECIES", "House crow,Feral pigeon")
    assert chosen().species == ("House crow", "Feral pigeon")
