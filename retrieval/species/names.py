"""What a person means by a name: labels of species and names of cameras, whatever the spelling of their words."""

import difflib
import re
import unicodedata
from collections.abc import Iterable

from retrieval.species import labels

_APOSTROPHES = re.compile("['’‘ʼ`´]")
_SEPARATORS = re.compile(r"[^\w*?]|_")
_SUGGESTIONS = 3


def words(name: str) -> str:
    """Return a name in lower case, without accents and apostrophes, its words separated by single spaces.

    Hyphens, underscores and other signs separate words; "*" and "?" stay. American gray is written grey.
    """
    plain = "".join(char for char in unicodedata.normalize("NFKD", name) if not unicodedata.combining(char))
    spaced = _SEPARATORS.sub(" ", _APOSTROPHES.sub("", plain.casefold()))
    return re.sub(r"\bgray", "grey", " ".join(spaced.split()))


def is_glob(name: str) -> bool:
    """Tell whether a name is a pattern: "*" stands for anything, "?" for one character."""
    return "*" in name or "?" in name


def pattern(glob: str) -> re.Pattern[str]:
    """Return the expression that the `words` of a name match as a whole."""
    parts = re.split(r"([*?])", words(glob))
    return re.compile("".join({"*": ".*", "?": "."}.get(part, re.escape(part)) for part in parts))


class SpeciesNames:
    """The names that the labels of an index go by, scientific ones too where labels carry them."""

    def __init__(self, known: Iterable[str]) -> None:
        self._spelt = {label: [words(name) for name in _names(label)] for label in known}
        self._labels: dict[str, set[str]] = {}
        for label, spelt in self._spelt.items():
            for name in spelt:
                self._labels.setdefault(_joined(name), set()).add(label)

    def matching(self, name: str) -> frozenset[str]:
        """Return the labels that a name or glob means; empty where there are none."""
        exact = self._labels.get(_joined(words(name)))
        if exact is not None or not is_glob(name):
            return frozenset(exact or ())
        wanted = pattern(name)
        return frozenset(label for label, spelt in self._spelt.items() if any(map(wanted.fullmatch, spelt)))

    def suggestions(self, name: str) -> list[str]:
        """Return labels that may have been meant, the likeliest first."""
        wanted = words(name.replace("*", " ").replace("?", " "))
        close = difflib.get_close_matches(_joined(wanted), self._labels, n=_SUGGESTIONS, cutoff=0.7)
        holding = [key for label, spelt in self._spelt.items() for key in map(_joined, spelt) if _joined(wanted) in key]
        keys = [*close, *(sorted(holding, key=lambda key: (len(key), key)) if wanted else [])]
        found = dict.fromkeys(label for key in keys for label in sorted(self._labels[key]))
        return list(found)[:_SUGGESTIONS]


def cameras_matching(name: str, known: Iterable[str]) -> frozenset[str]:
    """Return the cameras whose maker and model contain a text, or match a glob as a whole."""
    if is_glob(name):
        wanted = pattern(name)
        return frozenset(camera for camera in known if wanted.fullmatch(words(camera)))
    return frozenset(camera for camera in known if words(name) in words(camera))


def _names(label: str) -> list[str]:
    """The names in a label: "black stork, Ciconia nigra" and "Ciconia nigra_Black stork" hold two."""
    first, underscore, rest = label.partition("_")
    apart = [first, rest] if underscore and labels.is_scientific(first) else labels.names(label)
    return list(dict.fromkeys([label, *apart]))


def _joined(spelt: str) -> str:
    """Words run together: sea gull and seagull are one, as are bee-eater and bee eater."""
    return spelt.replace(" ", "")
