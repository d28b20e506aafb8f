"""The packages of duplicates: who may import whom, and that no message names a command or an option."""

import ast
import re
from pathlib import Path

import pytest

import retrieval.dedupe

PACKAGE = Path(retrieval.dedupe.__file__).parent
MAY_IMPORT = {"alike": set(), "plan": set(), "groups": {"alike", "plan"}, "run": {"alike", "plan"}}
MODULES = sorted(PACKAGE.rglob("*.py"))
COMMAND = re.compile(r"(?<![\w-])--[a-z]|\bretrieval (index|query|list|dedupe|verify|status|optimise|relocate)\b")


def test_every_package_is_listed():
    assert {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(MAY_IMPORT)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    own = path.relative_to(PACKAGE).parts[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("retrieval.dedupe"):
            other = [*node.module.split("."), node.names[0].name][2]
            assert other == own or other in MAY_IMPORT[own], f"{own} imports {node.module}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_text_names_a_command_or_an_option(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not COMMAND.search(node.value), node.value
