"""What the modules of the package import, read from their source: nothing is imported to find out."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import retrieval

PACKAGE = Path(retrieval.__file__).parent
# By name without "retrieval."; a package goes by its folder's name, the outermost one as "__init__".
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def within(module: str, places: Iterable[str]) -> bool:
    """Tell whether a module is one of these places, or inside one."""
    return any(module == place or module.startswith(f"{place}.") for place in places)


@cache
def source(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


@cache
def imports(module: str) -> tuple[tuple[str, bool], ...]:
    """The full names that a module imports anywhere in it, and whether each comes with the module itself."""
    return tuple(_imports(source(module), at_once=True))


def _imports(node: ast.AST, *, at_once: bool) -> Iterator[tuple[str, bool]]:
    if isinstance(node, ast.Import):
        yield from ((alias.name, at_once) for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        for alias in node.names:
            name = f"{node.module}.{alias.name}"
            yield (name if name.removeprefix("retrieval.") in MODULES else node.module), at_once
    elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        for part in node.body:
            yield from _imports(part, at_once=False)
        for part in node.orelse:
            yield from _imports(part, at_once=at_once)
    else:
        later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for part in ast.iter_child_nodes(node):
            yield from _imports(part, at_once=at_once and not later)


def libraries(module: str, *, at_once: bool = False) -> set[str]:
    """The libraries that a module itself imports; with `at_once` only those that come with it."""
    return {name.partition(".")[0] for name, soon in imports(module) if soon or not at_once}


def own_imports(module: str, *, at_once: bool = False) -> set[str]:
    """The modules of this package that a module imports; with `at_once` only those that come with it."""
    named = {name.removeprefix("retrieval.") for name, soon in imports(module) if soon or not at_once}
    return {name for name in named if name in MODULES}


@cache
def loaders(library: str) -> frozenset[str]:
    """The modules whose import loads a library, by themselves or through others."""
    found = {module for module in MODULES if library in libraries(module, at_once=True)}
    while True:
        more = {module for module in MODULES if module not in found and _comes_with(module) & found}
        if not more:
            return frozenset(found)
        found |= more


def _comes_with(module: str) -> set[str]:
    """The modules that are imported with one: those that it names, and the packages that hold them."""
    named = own_imports(module, at_once=True)
    return named | {name[:end] for name in {*named, module} for end, sign in enumerate(name) if sign == "."}
