"""Keeps photos whose RAW, or other twin in their folder, has no copy that stays."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from retrieval.archive.suffixes import PHOTO_SUFFIXES
from retrieval.dedupe.plan.records import Action, Group, Member


def keep_split_shots(groups: Sequence[Group]) -> list[Group]:
    """Keep a photo whose RAW, or other twin, has no copy that stays: a shot is removed as a whole or not at all."""
    found = list(groups)
    while True:
        removed = {m.file.path for group in found for m in group.members if m.action is Action.REMOVE}
        kept = [replace(group, members=tuple(_kept_with_twins(m, removed) for m in group.members)) for group in found]
        if kept == found:
            return found
        found = kept


def _kept_with_twins(member: Member, removed: set[Path]) -> Member:
    if member.action is Action.KEEP:
        return member
    staying = [path for path in member.along if path.suffix.lower() in PHOTO_SUFFIXES and path not in removed]
    if not staying:
        return member
    reason = f"{member.reason}; stays, because {staying[0].name} of its shot has no copy that stays"
    return replace(member, action=Action.KEEP, reason=reason, along=())
