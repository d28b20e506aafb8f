"""Finds out what a photo file holds, by its format; the formats' own modules read their structures."""

from pathlib import PurePath

from retrieval.decode.heif_items import is_iso_media
from retrieval.decode.holdings.heif import heif_holdings
from retrieval.decode.holdings.jpeg import jpeg_holdings
from retrieval.decode.holdings.raster import (
    bitmap_holdings,
    gif_holdings,
    jpeg_2000_holdings,
    photoshop_holdings,
    png_holdings,
    webp_holdings,
)
from retrieval.decode.holdings.record import CUT_OFF, Holdings
from retrieval.decode.holdings.tiff import raw_holdings, tiff_holdings
from retrieval.decode.signatures import ends_early, is_raw

_READERS = (
    (0, b"\xff\xd8\xff", jpeg_holdings),
    (0, b"\x89PNG\r\n\x1a\n", png_holdings),
    (0, b"GIF8", gif_holdings),
    (8, b"WEBP", webp_holdings),
    (0, b"8BPS", photoshop_holdings),
    (4, b"jP  ", jpeg_2000_holdings),
    (0, b"\xff\x4f\xff\x51", jpeg_2000_holdings),
    (0, b"BM", bitmap_holdings),
    *((0, magic, tiff_holdings) for magic in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
)


def read_holdings(data: bytes, name: str = "") -> Holdings:
    """What a file holds beyond one 8-bit picture; `name` tells RAW files that look like TIFF by their suffix.

    Only the structure is read, never pixels. Never raises, whatever the bytes are. Formats without a reader here hold
    one 8-bit picture, whole unless their own book-keeping says otherwise.
    """
    if is_raw(data, PurePath(name).suffix.lower()):
        return raw_holdings(data)
    for place, magic, reader in _READERS:
        if data.startswith(magic, place):
            return reader(data)
    if is_iso_media(data):
        return heif_holdings(data)
    return Holdings(damage=CUT_OFF if ends_early(data) or not data else None)
