"""What pyproject.toml asks for is what the package imports; an exception says so where it stands."""

import re
import sys
import tomllib

from package_imports import MODULES, PACKAGE, libraries

PROJECT = PACKAGE.parent / "pyproject.toml"
MODULE_NAMES = {"faiss-gpu": "faiss", "faiss-cpu": "faiss", "pillow": "PIL", "opencv-python-headless": "cv2"}


def required() -> dict[str, str]:
    """The core dependencies by the module that each is imported as, with their lines in the file."""
    text = PROJECT.read_text(encoding="utf-8")
    found = {}
    for requirement in tomllib.loads(text)["project"]["dependencies"]:
        name = re.match(r"[\w-]+", requirement)[0]
        (line,) = (line for line in text.splitlines() if line.lstrip().startswith(f'"{requirement}"'))
        found[MODULE_NAMES.get(name, name.replace("-", "_"))] = line
    return found


def test_every_dependency_is_imported_or_says_that_it_is_not():
    imported = set().union(*(libraries(module) for module in MODULES))
    unused = {name: line for name, line in required().items() if name not in imported}
    assert unused.keys() == {"torchvision"}
    place = re.search(r"# not imported by the package: (\S+\.py)", unused["torchvision"])
    assert place, "say in its comment who imports it, and why it is needed"
    assert "import torchvision\n" in (PROJECT.parent / place[1]).read_text(encoding="utf-8")


def test_every_library_that_comes_with_the_package_is_asked_for():
    named = {library for module in MODULES for library in libraries(module)}
    assert named - {"retrieval"} - set(sys.stdlib_module_names) <= required().keys()


def test_every_dependency_says_what_it_is_for():
    assert all("  # " in line for line in required().values())
