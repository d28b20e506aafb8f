"""What tells whether contents are near-identical: perceptual hashes, cameras and times, and what is on record."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Select, func, select

from retrieval.catalogue.database import Transactions
from retrieval.catalogue.tables import ContentTable, IgnoredPairTable, MatchTable, OutdatedHashTable, PreviewTable

Pairs = set[tuple[int, int]]  # of contents, in both orders


class Trait(NamedTuple):
    """What a content can be told from another by, without its picture."""

    content: int
    digest: bytes  # SHA-256
    preview_hash: bytes | None  # perceptual, 8 bytes; None for what was indexed before there were previews
    outdated_rules: int | None  # of the hash; None: the present ones
    camera: str | None
    taken_at: datetime | None


def traits(database: Transactions, rows: Sequence[int]) -> dict[int, Trait]:
    """Return the traits of vector rows."""
    content, outdated = ContentTable, OutdatedHashTable
    query = (
        select(
            content.vector_row,
            content.id,
            content.hash,
            PreviewTable.hash,
            outdated.rules,
            content.camera,
            content.taken_at,
        )
        .outerjoin_from(content, PreviewTable, PreviewTable.content_id == content.id)
        .outerjoin(outdated, content.id.between(outdated.first_id, outdated.last_id))
        .where(content.vector_row.in_(_each(rows)))
    )
    with database.transaction() as connection:
        return {found[0]: Trait(*found[1:]) for found in connection.execute(query) if found[0] is not None}


def alike(database: Transactions, contents: Sequence[int]) -> Pairs:
    """Return which of some contents are on record as showing the same picture."""
    query = select(MatchTable.first_id, MatchTable.second_id).where(MatchTable.first_id.in_(_each(contents)))
    among = set(contents)
    with database.transaction() as connection:
        found = [(first, second) for first, second in connection.execute(query) if second in among]
    return set(_both_ways(found))


def different(database: Transactions, known: Sequence[Trait]) -> Pairs:
    """Return which of some contents a person said are different."""
    by_digest = {trait.digest: trait.content for trait in known}
    query = select(IgnoredPairTable.first, IgnoredPairTable.second)
    with database.transaction() as connection:
        denied = connection.execute(query).all()  # as many as a person typed
    found = [(by_digest[one], by_digest[other]) for one, other in denied if one in by_digest and other in by_digest]
    return set(_both_ways(found))


def _both_ways(pairs: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for first, second in pairs:
        yield first, second
        yield second, first


def _each(numbers: Sequence[int]) -> Select[int]:
    """Any number of values as one parameter."""
    each = func.json_each(json.dumps([int(number) for number in numbers])).table_valued("value")
    return select(each.c.value)
