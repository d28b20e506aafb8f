"""Labels for people: from the synonym lists that ImageNet's classes are called by to one short name each.

A class there is called "black stork, Ciconia nigra" or "great grey owl, great gray owl, Strix nebulosa": names in
order of use, the scientific one at the end where there is one.
"""

import re
from collections import Counter
from collections.abc import Sequence

_SCIENTIFIC = re.compile(r"[A-Z][a-z]+( [a-z]+){1,2}")
# Names of that shape which are English: peoples and places before a plain noun.
_ENGLISH_NOUNS = frozenset(
    (
        "apso", "bighorn", "buffalo", "cat", "chameleon", "clip", "clubs", "coat", "coffee", "crab", "crocodile",
        "dog", "dogs", "eagle", "fence", "fish", "foxhound", "frog", "gray", "grey", "hound", "lizard", "lobster",
        "malamute", "mastiff", "owl", "pinscher", "pointer", "pot", "rabbit", "retriever", "robin", "sheep",
        "sheepdog", "shepherd", "silky", "snake", "spaniel", "spitz", "terrier", "turtle", "wolf", "wolfhound",
    )
)  # fmt: skip


def clean(labels: Sequence[str]) -> tuple[str, ...]:
    """One short name for each label, in the same order, no two alike: its first, and more where others share that."""
    firsts = [names(label)[0] for label in labels]
    shared = {name for name, count in Counter(firsts).items() if count > 1}
    cleaned: dict[str, None] = {}
    for index, (first, label) in enumerate(zip(firsts, labels, strict=True)):
        name = _longer(label) if first in shared else first
        while name in cleaned:
            name += f" [{index}]"
        cleaned[name] = None
    return tuple(cleaned)


def scientific_names(labels: Sequence[str]) -> dict[str, list[str]]:
    """The scientific names among the names of each label, by its clean one; labels without have no entry.

    Several are old and new names of one species, or two species in one class.
    """
    found = {}
    for short, label in zip(clean(labels), labels, strict=True):
        if scientific := [name for name in names(label)[1:] if is_scientific(name)]:
            found[short] = scientific
    return found


def names(label: str) -> list[str]:
    """The names in a label, in its order; at least one."""
    return [name for part in label.split(",") if (name := " ".join(part.split()))] or [label]


def is_scientific(name: str) -> bool:
    """Whether a name is a species' or subspecies' scientific one, as far as its shape and last word tell."""
    return bool(_SCIENTIFIC.fullmatch(name)) and name.rpartition(" ")[2] not in _ENGLISH_NOUNS


def _longer(label: str) -> str:
    """The first name with the others behind it."""
    first, *others = names(label)
    return f"{first} ({', '.join(others)})" if others else first
