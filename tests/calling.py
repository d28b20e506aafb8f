"""Runs the command line inside the test's process."""

from click.testing import CliRunner, Result

from retrieval.cli import main


def call(*words: object, stdin: bytes | None = None) -> Result:
    """Run `retrieval` with these words."""
    return CliRunner().invoke(main, [str(word) for word in words], input=stdin)
