"""The shape of the package: imports run one way, libraries stay behind their doors, the public names stay few."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest
from package_imports import MODULES, libraries, loaders, own_imports, source, within

import retrieval
from retrieval.cli.remedies import WORDS

# Each part may import from those before it, and from itself. Parts on one line do not import each other.
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
DOORS = {  # who may import a library; everybody else asks these
    "faiss": ("search.ivf",),
    "sqlalchemy": ("catalogue",),
    "sqlite3": ("catalogue.sqlite",),
    "click": ("cli", "training.cli"),
    "rich": ("cli.progress",),
    "torch": ("models", "engines.torch", "training"),
    "openvino": ("engines.openvino.without_telemetry",),
    "safetensors": ("models", "training.state"),
    "cv2": ("dedupe.alike", "decode.pages"),
    "PIL": ("decode", "embed.prepare", "query.batching", "catalogue.rehash", "dedupe.alike", "training"),
    "rawpy": ("decode.raw",),
    "pillow_heif": ("decode.picture", "decode.pages"),
    "huggingface_hub": ("models.hub",),
    "platformdirs": ("models.digest",),
    "filelock": ("lock",),
    "send2trash": ("dedupe.run.trash",),
    "threadpoolctl": ("dedupe.alike.scan",),
}
OPENERS = {  # outside of a library's door: who may import a module that loads it, when it is needed or at once
    "faiss": (),  # search.registry imports what loads it with the first search
    "sqlalchemy": ("store", "query", "dedupe", "indexing", "index"),
    "torch": ("engines", "indexing.calibrate"),
    "openvino": ("engines.openvino", "indexing.calibrate", "training.teachers"),
    "cv2": ("dedupe.groups",),
}
EDGES = ("cli", "present")
# What an edge may import: the one door, and what crosses it. The rest are names and files that need no index.
KNOWN_TO_EDGES = (
    *EDGES,
    *("index", "records", "filters", "errors", "text", "manifest", "durable"),
    *(
        "embed.embedder",
        "embed.choices",
        "embed.runtime",
        "archive.walk",
        "models.available",
        "models.speeds",
        "models.zoo",
    ),
    *("dedupe.plan", "dedupe.run.records", "dedupe.run.report"),
)
TESTS = Path(__file__).parent
PUBLIC = ("__init__", "__main__")  # the names of the library, and the program


@pytest.mark.parametrize("module", [name for name in MODULES if name not in PUBLIC])
def test_imports_run_one_way(module):
    part = module.partition(".")[0]
    for other in {name.partition(".")[0] for name in own_imports(module)} - {part}:
        assert RANK[other] < RANK[part], f"{module} imports {other}"


def test_no_module_imports_itself_through_others():
    """Also not inside functions: what needs that to start has its parts in the wrong places."""
    left = {module: own_imports(module) for module in MODULES if module not in PUBLIC}
    while left:
        free = [module for module, others in left.items() if not others & left.keys()]
        assert free, f"a circle among {', '.join(sorted(left))}"
        for module in free:
            del left[module]


@pytest.mark.parametrize("library", DOORS)
def test_a_library_stays_behind_its_door(library):
    inside = [module for module in MODULES if library in libraries(module)]
    assert inside, f"nobody imports {library}: take it out of DOORS"
    outside = [module for module in inside if not within(module, DOORS[library])]
    assert not outside, f"{library} is for {', '.join(DOORS[library])}, not for {', '.join(outside)}"


@pytest.mark.parametrize("library", OPENERS)
def test_nobody_reaches_a_library_through_another_module(library):
    assert loaders(library)
    for module in MODULES:
        if not within(module, (*PUBLIC, *DOORS[library], *OPENERS[library])):
            reached = (own_imports(module) & loaders(library)) - {"index"}
            assert not reached, f"{module} reaches {library} through {', '.join(sorted(reached))}"


@pytest.mark.parametrize("library", [name for name in DOORS if name != "click"])
def test_an_edge_starts_without_libraries(library):
    """What a command needs of them it loads when it runs: `retrieval --help` answers at once."""
    loading = [module for module in loaders(library) if within(module, EDGES)]
    assert not loading, f"importing {', '.join(sorted(loading))} loads {library}"


def test_edges_know_the_index_alone():
    for module in (name for name in MODULES if within(name, EDGES)):
        behind = [name for name in own_imports(module) if not within(name, KNOWN_TO_EDGES)]
        assert not behind, f"{module} imports {', '.join(sorted(behind))}: ask Index"


def test_only_the_registry_knows_which_engine_searches():
    """Whatever else asks for neighbours sees the protocol alone."""
    for module in MODULES:
        if not within(module, ("search.ivf", "search.registry")):
            behind = [name for name in own_imports(module) if within(name, ("search.ivf",))]
            assert not behind, f"{module} imports {', '.join(sorted(behind))}"


def test_only_lazy_doors_import_modules_by_name():
    """An import that is a string is one that these tests do not see."""
    lazy = {"__init__", "cli", "engines.registry", "index"}
    assert {module for module in MODULES if "import_module" in names(module)} == lazy


def test_few_modules_stand_at_the_top():
    assert len([name for name, path in MODULES.items() if "." not in name and path.name != "__init__.py"]) <= 12


def test_the_exported_names_are_these():
    assert sorted(retrieval.__all__) == [
        *("Answer", "Embedder", "Embedding", "Failure", "Filter", "Hit", "Index", "Prediction", "Report"),
        "RetrievalError",
    ]
    assert dir(retrieval) == [*sorted(retrieval.__all__), "__version__"]
    for name in retrieval.__all__:
        assert getattr(retrieval, name).__name__ == name
    with pytest.raises(AttributeError):
        _ = retrieval.nonsense


def test_only_edges_print_and_exit():
    ending = {"print", "exit", "quit", "sys.exit", "SystemExit", "os._exit", "sys.stdout", "sys.stderr"}
    for module in MODULES:
        if not within(module, ("cli", "training.cli")):
            assert not names(module) & ending, f"{module}: {', '.join(names(module) & ending)}"


def names(module: str) -> set[str]:
    """The names that a module reads or calls, with their dots, and the last parts of these."""
    whole = {ast.unparse(node) for node in ast.walk(source(module)) if isinstance(node, ast.Name | ast.Attribute)}
    return whole | {name.rpartition(".")[2] for name in whole if name.startswith("importlib.")}


def test_only_the_command_line_knows_its_commands_and_options():
    """Errors carry what to do about them as data; each edge says it in its own words."""
    command = re.compile(r"`retrieval |(?<![\w-])--[a-z][a-z-]+")
    # Reasons of unreadable photos are stored, and read long after; `training` has a command line of its own; a style
    # sheet names its variables like options.
    elsewhere = ("cli", "training", "decode.picture", "present.page_assets")
    for module in MODULES:
        if not within(module, elsewhere):
            named = [text for text in spoken(source(module)) if command.search(text)]
            assert not named, f"{module}: {named}"


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


UNTESTED = {  # by a file of their own, and why
    "records": "plain values without behaviour",
    "decode.holdings.record": "plain values without behaviour",
    "catalogue.dialect": "a protocol; catalogue/test_sqlite.py tests what keeps it",
    "engines.protocol": "a protocol; the tests of both engines test what keeps it",
    "search.protocol": "a protocol; search/test_contract.py tests whatever keeps it",
    "models.transform": "plain values without behaviour",
    "search.ivf.settings": "plain values without behaviour",
    "training.settings": "plain values without behaviour",
    "embed.choices": "names alone",
}


@pytest.mark.parametrize("module", [name for name, path in MODULES.items() if not path.name.startswith("__")])
def test_each_module_has_its_test_file(module):
    """What a module promises is tested where a stranger looks for it."""
    *folders, name = module.split(".")
    there = TESTS.joinpath(*folders, f"test_{name}.py").is_file()
    if module in UNTESTED:
        assert not there, f"{module} has a test file now: take it out of UNTESTED"
    else:
        assert there, f"tests/{'/'.join((*folders, f'test_{name}.py'))} is missing"
