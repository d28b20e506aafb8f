"""Every command and subcommand explains itself, with examples that it accepts, and stands in the README."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from retrieval import cli, training
from retrieval.cli import LazyGroup, main
from retrieval.training.cli import main as training_main

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
PROGRAMS = {"retrieval": main, "python -m retrieval.training": training_main}
EXAMPLE = re.compile(rf" *({'|'.join(map(re.escape, PROGRAMS))})( [^|>#`\n]*)?")


def walk(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """A command and all below it, by what is typed to run them."""
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from walk(below, (*words, name))


COMMANDS = [((program, *words), command) for program, main in PROGRAMS.items() for words, command in walk(main)]
every_command = pytest.mark.parametrize("words, command", COMMANDS, ids=[" ".join(words) for words, _ in COMMANDS])


def examples(text: str) -> list[str]:
    """The lines of a text that call one of the programs, continued where a backslash ends them."""
    lines = text.replace("\\\n", " ").splitlines()
    return [found[0].strip() for line in lines if (found := EXAMPLE.match(line))]


@pytest.fixture
def parse(monkeypatch):
    """A function that lets a program parse a line, and gives the words of the command that it would run."""
    called = []
    for words, command in COMMANDS:
        monkeypatch.setattr(command, "callback", lambda words=words, **_options: called.append(words))

    def parse(line: str) -> tuple[str, ...]:
        program = next(name for name in PROGRAMS if f"{line} ".startswith(f"{name} "))
        done = CliRunner().invoke(PROGRAMS[program], shlex.split(line.removeprefix(program)))
        assert done.exit_code == 0, f"{line}: {done.output}"
        return called[-1]

    return parse


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with the files that the examples name: some options take only files that exist."""
    for name in ("photos", "archive/best", "card", "work", "pool"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("plan.csv", "deit.pt", "pictures.bundle", "birds.bundle", "birds.tflite", "labels.txt"):
        (tmp_path / name).touch()
    (tmp_path / "compact.safetensors").touch()
    monkeypatch.chdir(tmp_path)


@every_command
def test_it_has_help_on_everything_and_an_example_that_it_accepts(words, command, place, parse):
    assert command.help
    for parameter in command.params:
        assert isinstance(parameter, click.Argument) or parameter.help, f"{parameter.name} has no help"
    shown = CliRunner().invoke(command, ["--help"], prog_name=" ".join(words), terminal_width=200)
    assert shown.exit_code == 0
    found = examples(shown.stdout)
    assert found, f"{' '.join(words)} shows no example"
    for line in found:
        called = parse(line.replace("/mnt/", "./"))
        assert called[: len(words)] == words, line
        assert isinstance(command, click.Group) or called == words


@every_command
def test_it_stands_in_the_readme(words, command):
    program, *names = words
    if program == "retrieval" and names:
        assert re.search(rf"`(retrieval )?{re.escape(' '.join(names))}[ `]", README)
    elif names:
        assert f"`{names[0]}`" in README


def test_examples_in_the_readme_are_accepted(place, parse):
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
    found = examples(blocks.replace(".venv/bin/", "").replace("&& ", "\n"))
    assert len(found) > 10
    for line in found:
        parse(line)


@pytest.mark.parametrize("folder", [Path(cli.__file__).parent, Path(training.__file__).parent / "cli"])
def test_texts_name_commands_and_options_that_exist(folder):
    """In hints, remedies and help; and what stands in backticks in the README."""
    options = {name for _, command in COMMANDS for one in command.params for name in (*one.opts, *one.secondary_opts)}
    texts = [README] + [path.read_text(encoding="utf-8") for path in folder.rglob("*.py")]
    for text in texts:
        for quoted in re.findall(r"`(retrieval [^`{]+)`", text.replace('"\n    "', "")):
            words = shlex.split(quoted.partition("[")[0])
            known = [known for known, _ in COMMANDS if len(known) > 1]
            assert words[1] in ("COMMAND", "--help") or any(tuple(words[: len(one)]) == one for one in known), quoted
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", text))
        assert named <= options | {"--help", "--version"}, named - options


def test_the_list_of_commands_says_what_each_command_says_first():
    for _, group in COMMANDS:
        if isinstance(group, LazyGroup):
            for name, line in group.summaries.items():
                command = group.get_command(click.Context(group), name)
                assert command is not None and command.help is not None
                assert " ".join(command.help.split("\n\n")[0].split()) == line
