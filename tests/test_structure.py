"""The shape of the package: imports run one way, the door stays small."""

import ast
from pathlib import Path

import pytest

import retrieval

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
