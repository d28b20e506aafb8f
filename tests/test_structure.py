"""The shape of the package: imports run one way, the door stays small."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

import retrieval
from retrieval.cli.remedies import WORDS

PACKAGE = Path(retrieval.__file__).parent
# Each part may import from those before it, and from itself. What stands together on a line is on one level.
LEVELS = [
    ["errors"],
    ["text", "records", "filters", "durable", "lock"],
    ["archive", "species"],
    ["decode"],
    ["models"],
    ["engines", "manifest"],
    ["embed", "catalogue", "search"],
    ["store"],
    ["training", "query"],
    ["dedupe", "indexing"],
    ["index"],
    ["present"],
    ["cli"],
]
RANK = {part: rank for rank, parts in enumerate(LEVELS) for part in parts}


def imports(path: Path) -> set[str]:
    """The parts of this package that a module imports, at its top or inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "retrieval":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if part in ("__init__", "__main__"):
        return
    for other in imports(path) - {part}:
        assert RANK[other] < RANK[part], f"{part} imports {other}"


def modules_imported(path: Path) -> set[Path]:
    """The modules of this package that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "retrieval":
            place = PACKAGE.joinpath(*node.module.split(".")[1:])
            found |= {place.with_suffix(".py"), *(place / f"{alias.name}.py" for alias in node.names)}
    return {other for other in found if other.is_file()}


def test_no_module_imports_itself_through_others():
    """Also not inside functions: what needs that to start has its parts in the wrong places."""
    left = {path: modules_imported(path) for path in PACKAGE.rglob("*.py") if not path.name.startswith("__")}
    while left:
        free = [path for path, others in left.items() if not others & left.keys()]
        assert free, f"a circle among {', '.join(sorted(str(path.relative_to(PACKAGE)) for path in left))}"
        for path in free:
            del left[path]


def test_the_door_has_at_most_ten_names():
    assert len(retrieval.__all__) <= 10
    assert all(getattr(retrieval, name) for name in retrieval.__all__)
    with pytest.raises(AttributeError):
        _ = retrieval.nonsense


def test_only_the_command_line_prints_and_exits():
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name == "cli":
            continue
        called = {
            node.func.id
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not called & {"print", "exit"}, path


def test_faiss_and_sqlalchemy_stay_behind_their_doors():
    for path in PACKAGE.rglob("*.py"):
        home, text = path.relative_to(PACKAGE).parts[0], path.read_text(encoding="utf-8")
        assert path.relative_to(PACKAGE).parts[:2] == ("search", "ivf") or "import faiss" not in text, path
        assert home == "catalogue" or "sqlalchemy" not in text.lower().replace("sqlalchemy's", ""), path


def test_only_the_registry_knows_which_engine_searches():
    """Whatever else asks for neighbours sees the protocol alone."""
    for path in PACKAGE.rglob("*.py"):
        inside = path.relative_to(PACKAGE).as_posix()
        if not inside.startswith("search/ivf/") and inside != "search/registry.py":
            assert "retrieval.search.ivf" not in path.read_text(encoding="utf-8"), path


def test_only_the_command_line_knows_its_commands_and_options():
    """Errors carry what to do about them as data; each edge says it in its own words."""
    command = re.compile(r"`retrieval |(?<![\w-])--[a-z][a-z-]+")
    # Reasons of unreadable photos are stored, and read long after; `training` has a command line of its own; a style
    # sheet names its variables like options.
    elsewhere = {"cli", "training", "decode/picture.py", "present/page_assets.py"}
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE)
        if {place.parts[0], place.as_posix()} & elsewhere:
            continue
        named = [text for text in spoken(ast.parse(path.read_text(encoding="utf-8"))) if command.search(text)]
        assert not named, f"{place}: {named}"


def spoken(tree: ast.AST) -> Iterator[str]:
    """The strings of a module that are no docstrings."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_every_remedy_in_the_command_lines_words_has_the_same_details():
    """Words with a detail that the library does not give would fail where they are needed."""
    for remedy, words in WORDS.items():
        given = {name for _, name, _, _ in Formatter().parse(remedy.value) if name}
        assert {name for _, name, _, _ in Formatter().parse(words) if name} <= given, remedy
