"""Finds the indexed folders that a person means as reference or by a rule: by what they are, however written."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from retrieval.dedupe.groups.keep_rules import KeepRule
from retrieval.errors import QueryError, Remedy
from retrieval.store import Store

_Identity = tuple[int, int] | None  # device and number; None for a folder that is not there


def indexed_references(store: Store, folders: Sequence[Path]) -> tuple[Path, ...]:
    """Return the folders above indexed files that are the given ones or are in these, as the index spells them.

    A link to an indexed folder, or another mount of it, is that folder; so is another mount of a folder inside it. Of
    folders inside each other, only the outermost is returned. Raises QueryError for a folder that no indexed file lies
    in: nothing would be protected.
    """
    if not folders:
        return ()
    above = _folders_of_files(store)
    meant: set[Path] = set()
    for folder in folders:
        same = _same(folder, above)
        if not same:
            raise QueryError(f"no indexed photo lies in the reference folder {folder}", Remedy.INDEX_REFERENCE)
        meant |= {one for one in above if one in same or not same.isdisjoint(one.parents)}
    protected = {above[one] for one in meant} - {None}
    meant |= {one for one, its in above.items() if its in protected}
    return tuple(sorted(one for one in meant if meant.isdisjoint(one.parents)))


def indexed_rules(store: Store, rules: Sequence[KeepRule]) -> tuple[KeepRule, ...]:
    """Return the rules with folders as the index spells them: a link to an indexed folder is that folder.

    A folder without indexed files stays as it is.
    """
    if all(rule.name != "path" for rule in rules):
        return tuple(rules)
    above = _folders_of_files(store)
    found: list[KeepRule] = []
    for rule in rules:
        same = sorted(_same(Path(rule.value), above)) if rule.name == "path" else []
        found += [replace(rule, value=str(folder)) for folder in same] or [rule]
    return tuple(found)


def _same(folder: Path, above: Mapping[Path, _Identity]) -> set[Path]:
    identity = _identity(folder)
    return {one for one, its in above.items() if one == folder or (its is not None and its == identity)}


def _folders_of_files(store: Store) -> dict[Path, _Identity]:
    """Return each folder that holds an indexed file, directly or further down, with what it is."""
    direct = {store.manifest.path_of(file.root, file.relative).parent for file in store.catalogue.files.hashed()}
    return {folder: _identity(folder) for folder in direct | {one for inner in direct for one in inner.parents}}


def _identity(folder: Path) -> _Identity:
    try:
        found = folder.stat()
    except OSError:
        return None  # not mounted now: then its path has to do
    return found.st_dev, found.st_ino
