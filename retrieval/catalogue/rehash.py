"""Brings perceptual hashes of older rules up to date, each from the thumbnail that is kept beside it."""

from collections.abc import Callable, Sequence

from PIL.Image import DecompressionBombError
from sqlalchemy import Connection, Row, bindparam, delete, select, update

from retrieval.catalogue.database import Transactions
from retrieval.catalogue.tables import OutdatedHashTable, PreviewTable
from retrieval.decode.preview import perceptual_hash
from retrieval.records import Progress

BATCH = 256  # thumbnails per transaction: a kill repeats no more than these

Listener = Callable[[Progress], None]


def rehash(database: Transactions, progress: Listener = lambda _now: None, *, batch: int = BATCH) -> int:
    """Compute the hashes that `outdated_hash` names again; return how many previews that were.

    Resumes where the last run stopped. The caller holds the writer's lock; `progress` may raise to stop. A thumbnail
    that cannot be decoded is removed with its hash: the next search for duplicates makes both from the photo.
    """
    done = 0
    with database.transaction() as connection:
        ranges = connection.execute(select(OutdatedHashTable.first_id, OutdatedHashTable.last_id)).all()
    for first_id, last_id in ranges:
        next_id = first_id
        while next_id <= last_id:
            page = _page(database, next_id, last_id, batch)
            hashes = {row.content_id: _hash(row.thumbnail) for row in page}
            following = page[-1].content_id + 1 if len(page) == batch else last_id + 1
            with database.transaction() as connection:
                _write(connection, hashes)
                _advance(connection, next_id, following, last_id)
            next_id, done = following, done + len(page)
            progress(Progress("rehashing", next_id - first_id, last_id + 1 - first_id))  # by id: counting reads it all
    return done


def _page(database: Transactions, first_id: int, last_id: int, limit: int) -> Sequence[Row[int, bytes]]:
    table = PreviewTable
    query = select(table.content_id, table.thumbnail).where(table.content_id.between(first_id, last_id))
    with database.transaction() as connection:
        return connection.execute(query.order_by(table.content_id).limit(limit)).all()


def _hash(thumbnail: bytes) -> bytes | None:
    try:
        return perceptual_hash(thumbnail)
    except (OSError, DecompressionBombError):  # the latter for a header that claims gigapixels
        return None


def _write(connection: Connection, hashes: dict[int, bytes | None]) -> None:
    keyed = PreviewTable.content_id == bindparam("key")
    found = [{"key": content_id, "hash": found} for content_id, found in hashes.items() if found is not None]
    if found:
        connection.execute(update(PreviewTable).where(keyed).values(hash=bindparam("hash")), found)
    damaged = [{"key": content_id} for content_id, found in hashes.items() if found is None]
    if damaged:
        connection.execute(delete(PreviewTable).where(keyed), damaged)


def _advance(connection: Connection, first_id: int, following: int, last_id: int) -> None:
    """Shorten the range of what is outdated, or drop it where nothing is left."""
    chosen = OutdatedHashTable.first_id == first_id
    if following > last_id:
        connection.execute(delete(OutdatedHashTable).where(chosen))
    else:
        connection.execute(update(OutdatedHashTable).where(chosen).values(first_id=following))
