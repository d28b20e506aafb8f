"""What a JPEG file holds: further pictures, gain and depth maps, videos and sounds that phones put behind it."""

import re

from retrieval.decode.colour_spaces import ADOBE_RGB, SRGB, ColourSpace, of_inks, of_profile
from retrieval.decode.containers import read_metadata
from retrieval.decode.holdings.jpeg_structure import JpegStructure, Listed, read_jpeg
from retrieval.decode.holdings.record import (
    AUDIO,
    CUT_OFF,
    DEPTH_MAP,
    EMBEDDED_RAW,
    GAIN_MAP,
    INCOMPLETE,
    MATTE,
    VIDEO,
    Holdings,
)

_EXIF, _INTEROPERABILITY, _COLOUR_SPACE, _UNCALIBRATED = 0x8769, 0xA005, 0xA001, 0xFFFF
_GAIN_MAP = re.compile(rb"hdrgm:|hdrgainmap|HDRGainMap|urn:iso:std:iso:ts:21496", re.IGNORECASE)
_DEPTH = re.compile(rb"aux:(?:depth|disparity)|depthData|DepthMap|GDepth", re.IGNORECASE)
_MATTE = re.compile(rb"urn:com:apple:photo:20\d\d:aux:|matte", re.IGNORECASE)
# Marks in what phones put behind the picture: Google's and Samsung's names of blocks, and what videos begin with.
_BEHIND = (
    (
        VIDEO,
        (
            b"MotionPhoto_Data",
            *(b"ftyp" + brand for brand in (b"mp4", b"iso", b"qt  ", b"avc1", b"3gp", b"M4V", b"MSNV")),
        ),
    ),
    (AUDIO, (b"SoundShot", b"WAVEfmt ")),
    (DEPTH_MAP, (b"DualShot_DepthMap", b"DepthMap")),
    (EMBEDDED_RAW, (b"BRCMo", b"BRCMn")),
)
_PADDING = 4096  # zeros that may stand between two pictures


def jpeg_holdings(data: bytes) -> Holdings:
    """What a JPEG or MPO file holds."""
    found = read_jpeg(data)
    further, extras = _further(data, found)
    end = max([found.end or 0, *(listed.stop for listed in found.listed)])
    unlisted, end = _unlisted(data, found, end) if found.end is not None else (0, end)
    behind, unknown = _behind(data, found, end)
    return Holdings(
        pages=1 + further + unlisted,
        bits=found.bits,
        is_grey=found.components == 1,
        colours=_colours(data, found),
        is_lossless=found.is_lossless,
        extras=extras | behind | _in_metadata(data, found),
        damage=_damage(found),
        unknown_bytes=unknown,
    )


def _damage(found: JpegStructure) -> str | None:
    if found.end is None:
        return CUT_OFF
    return INCOMPLETE if found.misses_scans else None


def _colours(data: bytes, found: JpegStructure) -> ColourSpace:
    if found.components == 4:
        return of_inks(found.profile)
    if found.profile:
        return of_profile(found.profile)
    exif = read_metadata(data).exif
    if exif:
        details = exif[0].inside(_EXIF)
        uncalibrated = details.integer(_COLOUR_SPACE) in (2, _UNCALIBRATED)
        if uncalibrated and details.inside(_INTEROPERABILITY).raw(1).startswith(b"R03"):
            return ADOBE_RGB  # by the design rule for camera file systems, without a profile
    return SRGB


def _further(data: bytes, found: JpegStructure) -> tuple[int, frozenset[str]]:
    """How many pictures of their own Multi-Picture Format lists, and which maps."""
    pages, extras = 0, set()
    for listed in found.listed:
        if listed.is_preview:
            continue
        extra = _map(data, listed)
        if extra:
            extras.add(extra)
        else:
            pages += 1
    return pages, frozenset(extras)


def _map(data: bytes, listed: Listed) -> str | None:
    """What a picture behind the first is a map of, by its headers; None for a picture of its own."""
    headers = read_jpeg(data[listed.start : listed.stop]).headers
    texts = b" ".join(
        data[listed.start + at : listed.start + stop] for marker, at, stop in headers if 0xE1 <= marker <= 0xEF
    )
    if _GAIN_MAP.search(texts):
        return GAIN_MAP
    if _DEPTH.search(texts):
        return DEPTH_MAP
    return MATTE if _MATTE.search(texts) else None


def _in_metadata(data: bytes, found: JpegStructure) -> frozenset[str]:
    """Maps and sounds that early phones kept as text in extended XMP."""
    extras = set()
    for marker, at, stop in found.headers:
        if marker == 0xE1 and data.startswith(b"http://ns.adobe.com/xmp/extension/", at):
            segment = data[at:stop]
            extras |= {DEPTH_MAP} if b"GDepth:Data" in segment or b"GDepth:Confidence" in segment else set()
            extras |= {AUDIO} if b"GAudio:Data" in segment else set()
            extras |= {MATTE} if b"GImage:Data" in segment else set()
    return frozenset(extras)


def _behind(data: bytes, found: JpegStructure, end: int) -> tuple[frozenset[str], int]:
    """What lies behind the pictures, which end at `end`, and how many bytes of it are not known.

    Cameras leave there what their memory held before, so bytes alone are nothing of worth.
    """
    rest = data[end:] if found.end is not None else b""
    extras = frozenset(extra for extra, marks in _BEHIND if any(mark in rest for mark in marks))
    known = bool(extras) or rest.endswith(b"SEFT")  # Samsung's list of blocks closes the file
    return extras, 0 if known else len(rest.strip(b"\0\xff \r\n"))


def _unlisted(data: bytes, found: JpegStructure, end: int) -> tuple[int, int]:
    """How many whole pictures, no previews, stand behind the listed ones, and where the last of them ends."""
    pages = 0
    while True:
        start = end + len(data[end : end + _PADDING]) - len(data[end : end + _PADDING].lstrip(b"\0"))
        if not data.startswith(b"\xff\xd8\xff", start):
            return pages, end
        other = read_jpeg(data, start)
        if other.end is None:
            return pages, end
        end = other.end
        pages += 2 * other.width >= found.width and 2 * other.height >= found.height
