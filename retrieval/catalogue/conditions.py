"""Conditions that several nouns put to the database in the same words."""

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, false, true

from retrieval.catalogue.tables import ContentTable, PhotoTable

HAS_VECTOR = ContentTable.vector_row.is_not(None)
LIVE = and_(ContentTable.live == true(), HAS_VECTOR)  # on a content: a present photo has it, and search may find it
DEAD = and_(ContentTable.live == false(), HAS_VECTOR)  # as its index has it: no parameter


def in_use() -> ColumnElement[bool]:
    """Condition on a content: a present photo has it."""
    return exists().where(PhotoTable.content_id == ContentTable.id, PhotoTable.state == "indexed")


def below(folder: str, table: Any = PhotoTable) -> list[ColumnElement[bool]]:
    """Conditions on a photo: it lies in this folder of its root ("" for all of it); answered from the path's index."""
    # "0" is the byte after "/": the range holds exactly the paths that begin with "folder/".
    return [table.path >= f"{folder}/", table.path < f"{folder}0"] if folder else []


def has(table: Any, *conditions: Any) -> ColumnElement[bool]:
    """Condition on a content: a table about contents has a row of it that satisfies the conditions."""
    return exists().where(table.content_id == ContentTable.id, *conditions)
