import json

import pytest
from calling import call
from click.testing import CliRunner

from retrieval.cli import main
from retrieval.cli.options import Size, given


def test_which_index(indexed, model):
    elsewhere = indexed / "elsewhere"
    assert call("index", "archive", "--index", elsewhere, "--model", model).exit_code == 0
    assert call("status").exit_code == 0
    assert call("index", "archive", "--index", "indexes/second", "--model", model).exit_code == 0
    ambiguous = call("status")
    assert ambiguous.exit_code == 1
    assert "indexes/archive, indexes/second" in ambiguous.stderr
    assert call("status", "--index", "second").exit_code == 0
    chosen = CliRunner().invoke(main, ["status", "--format", "json"], env={"RETRIEVAL_INDEX": str(elsewhere)})
    assert json.loads(chosen.stdout)["index"] == str(elsewhere)
    missing = call("status", "--index", "nowhere")
    assert (missing.exit_code, missing.stdout) == (1, "")
    assert "there is no index in nowhere" in missing.stderr


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512MB", 512_000_000),
        ("2GB", 2 * 10**9),
        ("2g", 2 * 10**9),
        ("1.5GiB", 3 * 2**29),
        (" 64 kib ", 65_536),
        ("1000", 1_000),
        (".5M", 500_000),
        ("1TB", 10**12),
    ],
)
def test_sizes(text, size):
    assert Size().convert(text, None, None) == size


@pytest.mark.parametrize("text", ["", "lots", "2XB", "-1GB", "0", "1e9", "GB", "2 G B"])
def test_what_is_no_size(place, text):
    done = call("optimise", f"--memory={text}")
    assert (done.exit_code, "512MB" in done.stderr) == (2, True)


def test_only_options_that_were_given_reach_the_library():
    assert given(a=None, b=0, c="", d=False) == {"b": 0, "c": "", "d": False}
