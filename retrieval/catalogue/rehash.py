"""Brings perceptual hashes of older rules up to date, each from the thumbnail that is kept beside it."""

from collections.abc import Callable

from PIL.Image import DecompressionBombError

from retrieval.catalogue.previews import IdRange, Previews
from retrieval.decode.preview import perceptual_hash
from retrieval.records import Progress

BATCH = 256  # thumbnails per transaction: a kill repeats no more than these

Listener = Callable[[Progress], None]


def rehash(previews: Previews, progress: Listener = lambda _now: None, *, batch: int = BATCH) -> int:
    """Compute outdated perceptual hashes again; return how many previews that were.

    Resumes where the last run stopped. The caller holds the writer's lock; `progress` may raise to stop. A thumbnail
    that cannot be decoded is removed with its hash: the next search for duplicates makes both from the photo.
    """
    done = 0
    for outdated in previews.outdated():
        first, last = outdated
        while first <= last:
            thumbnails = previews.thumbnails(IdRange(first, last), batch)
            following = max(thumbnails) + 1 if len(thumbnails) == batch else last + 1
            hashes = {content_id: _hash(thumbnail) for content_id, thumbnail in thumbnails.items()}
            previews.update_hashes(hashes, IdRange(first, last), following - first)
            first, done = following, done + len(thumbnails)
            total = last + 1 - outdated.first
            progress(Progress("rehashing", first - outdated.first, total))  # by id: counting reads it all
    return done


def _hash(thumbnail: bytes) -> bytes | None:
    try:
        return perceptual_hash(thumbnail)
    except (OSError, DecompressionBombError):  # the latter for a header that claims gigapixels
        return None
