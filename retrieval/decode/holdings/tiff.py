"""What TIFF files and the camera RAW files that are built like them hold."""

from retrieval.decode.colour_spaces import SRGB, ColourSpace, of_inks, of_profile
from retrieval.decode.holdings.record import CUT_OFF, EMBEDDED_RAW, LAYERS, Holdings
from retrieval.decode.tiff_directory import Directory, directories, open_tiff, read_directory

_SUBFILE, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _SUB_IFDS, _EXTRA_SAMPLES = 254, 258, 259, 262, 277, 330, 338
_PLACES = ((273, 279), (324, 325))  # strips and tiles: offsets and lengths
_PICTURE = (273, 324, 513)  # what says where it lies: strips, tiles, or a JPEG of its own, as old TIFFs have it
_PROFILE, _PHOTOSHOP_LAYERS, _ORIGINAL_RAW = 34675, 37724, 50828
_REDUCED, _MASK = 1, 4  # bits of the sub-file's type
_LOSSY = frozenset((6, 7, 34892, 34934, 50001))  # JPEG, old and new, lossy JPEG in DNG, WebP
_SEPARATED, _TRANSPARENCY_MASK = 5, 4
_SENSOR_DATA = frozenset((32803, 34892))
_RAW_BITS = 14  # of sensors whose files do not tell


def tiff_holdings(data: bytes) -> Holdings:
    """What a TIFF file holds."""
    chain = list(directories(open_tiff(data)))
    pages = [page for page in chain if not _is_part(page)] or chain[:1]
    if not pages:
        return Holdings(is_lossless=True, damage=CUT_OFF)
    first = pages[0]
    layers = {LAYERS} if any(page.raw(_PHOTOSHOP_LAYERS) for page in pages) else set()
    return Holdings(
        pages=len(pages),
        bits=max(_bits(page) for page in pages),
        may_be_transparent=any(
            1 in page.numbers(_EXTRA_SAMPLES) or 2 in page.numbers(_EXTRA_SAMPLES) for page in pages
        ),
        is_grey=all(page.integer(_PHOTOMETRIC) in (0, 1) for page in pages),
        colours=_colours(first),
        is_lossless=all(page.integer(_COMPRESSION) not in _LOSSY for page in pages),
        extras=frozenset(layers),
        damage=CUT_OFF if _misses_pages(chain) else _damage(pages),
    )


def raw_holdings(data: bytes) -> Holdings:
    """What a camera RAW holds, whose sensor data count as one picture of the widest colours."""
    main = open_tiff(data)
    found = [main, *_inside(main)]
    sensor = [one for one in found if _SENSOR_DATA.intersection(one.numbers(_PHOTOMETRIC))]
    bits = max([_bits(one) for one in sensor if one.numbers(_BITS)] or [_RAW_BITS])
    return Holdings(
        bits=max(bits, _RAW_BITS),
        colours=ColourSpace("the camera's own", is_wide=True),
        is_lossless=True,
        is_raw=True,
        extras=frozenset({EMBEDDED_RAW} if main.entries.get(_ORIGINAL_RAW) else ()),
        damage=_damage(sensor),
    )


def _inside(main: Directory) -> list[Directory]:
    """The directories that the first one points to, where RAWs keep their sensor's data."""
    offsets = main.numbers(_SUB_IFDS)[:16]
    return [
        read_directory(main.data, main.start + int(offset), main.order, start=main.start, big=main.big)
        for offset in offsets
    ]


def _is_part(page: Directory) -> bool:
    """Whether a directory is a smaller version or a mask of another."""
    kind = page.integer(_SUBFILE) or 0
    return bool(kind & (_REDUCED | _MASK)) or page.integer(_PHOTOMETRIC) == _TRANSPARENCY_MASK


def _bits(page: Directory) -> int:
    return int(max(page.numbers(_BITS) or (1,)))


def _colours(page: Directory) -> ColourSpace:
    profile = page.raw(_PROFILE)
    if page.integer(_PHOTOMETRIC) == _SEPARATED:
        return of_inks(profile)
    return of_profile(profile) if profile else SRGB


def _damage(pages: list[Directory]) -> str | None:
    """CUT_OFF where a directory, or what it points to, lies beyond the data: only what is there was read."""
    for page in pages:
        if not page.is_whole:
            return CUT_OFF
        if (page.integer(_SAMPLES) or 1) > 1 and not page.numbers(_BITS):
            return CUT_OFF
        if not any(page.numbers(tag) for tag in _PICTURE):
            return CUT_OFF
        for offsets, lengths in _PLACES:
            at, sizes = page.numbers(offsets), page.numbers(lengths)
            if len(at) > 1 and not sizes:
                return CUT_OFF
            if any(page.start + offset + length > len(page.data) for offset, length in zip(at, sizes, strict=False)):
                return CUT_OFF
    return None


def _misses_pages(chain: list[Directory]) -> bool:
    """Whether a chain of directories goes on beyond the data."""
    last = chain[-1]
    if not last.next:
        return False
    at = last.start + last.next
    following = read_directory(last.data, at, last.order, start=last.start, big=last.big)
    return not (following.entries or following.is_whole)
