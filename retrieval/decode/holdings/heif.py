"""What an HEIC, HEIF or AVIF file holds: its pictures, sequences, auxiliary pictures and videos."""

from retrieval.decode.colour_spaces import SRGB, ColourSpace, of_code_points, of_profile
from retrieval.decode.heif_items import HeifFile, Item, read_heif
from retrieval.decode.holdings.record import AUDIO, CUT_OFF, DEPTH_MAP, GAIN_MAP, INCOMPLETE, MATTE, VIDEO, Holdings
from retrieval.decode.signatures import boxes

_PICTURES = frozenset(
    (b"hvc1", b"hev1", b"av01", b"avc1", b"grid", b"iden", b"iovl", b"jpeg", b"j2k1", b"unci", b"vvc1")
)
_PATH = (b"mdia", b"minf", b"stbl")


def heif_holdings(data: bytes) -> Holdings:
    """What an HEIC, HEIF or AVIF file holds."""
    heif = read_heif(data)
    primary = heif.items.get(heif.primary or 0)
    pictures = _pictures(heif)
    extras, transparent = _auxiliary(heif)
    frames, sequence_extras = _tracks(heif)
    shown = [item for item in (primary, *_tiles(heif, primary)) if item is not None]
    return Holdings(
        pages=max(len(pictures), frames, 1),
        is_animated=frames > 1,
        bits=max([_bits(item) for item in shown] or [8]),
        may_be_transparent=transparent,
        is_grey=any(_is_grey(item) for item in shown),
        colours=_colours(shown),
        extras=extras | sequence_extras | _videos(heif),
        damage=_damage(heif, primary, frames),
        unknown_bytes=_unknown(heif),
    )


def _pictures(heif: HeifFile) -> list[Item]:
    """Pictures of their own: neither tiles of another, nor its thumbnails or maps, nor hidden."""
    parts = {to for kind, _, targets in heif.references for to in targets if kind == b"dimg"}
    parts |= {source for kind, source, _ in heif.references if kind in (b"thmb", b"auxl")}
    return [
        item
        for item in heif.items.values()
        if (item.kind in _PICTURES and item.number not in parts and not item.hidden) or item.number == heif.primary
    ]


def _tiles(heif: HeifFile, item: Item | None) -> list[Item]:
    """The first tile of a grid, which has the properties that the grid may leave out."""
    found = [
        heif.items[targets[0]]
        for kind, source, targets in heif.references
        if kind == b"dimg" and item is not None and source == item.number and targets and targets[0] in heif.items
    ]
    return found[:1]


def _auxiliary(heif: HeifFile) -> tuple[frozenset[str], bool]:
    """The auxiliary pictures in words, and whether one of them is an alpha channel."""
    extras, transparent = set(), False
    for item in heif.items.values():
        urn = (item.property(b"auxC") or b"")[4:].partition(b"\0")[0].lower()
        if item.kind == b"tmap" or b"gainmap" in urn or b"21496" in urn:
            extras.add(GAIN_MAP)
        elif b"alpha" in urn or urn.endswith(b"auxid:1"):
            transparent = True
        elif b"depth" in urn or b"disparity" in urn or urn.endswith(b"auxid:2"):
            extras.add(DEPTH_MAP)
        elif urn:
            extras.add(MATTE)
    return frozenset(extras), transparent


def _bits(item: Item) -> int:
    channels = (item.property(b"pixi") or b"")[5:]
    if channels:
        return max(channels)
    hevc, av1 = item.property(b"hvcC"), item.property(b"av1C")
    if hevc and len(hevc) > 17:
        return 8 + (hevc[17] & 7)
    if av1 and len(av1) > 2:
        return (12 if av1[2] & 0x20 else 10) if av1[2] & 0x40 else 8
    return 8


def _is_grey(item: Item) -> bool:
    hevc, av1 = item.property(b"hvcC"), item.property(b"av1C")
    return bool((hevc and len(hevc) > 16 and not hevc[16] & 3) or (av1 and len(av1) > 2 and av1[2] & 0x10))


def _colours(items: list[Item]) -> ColourSpace:
    """An ICC profile goes first, as the standard has it."""
    found = [body for item in items for kind, body in item.properties if kind == b"colr"]
    for body in found:
        if body[:4] in (b"prof", b"rICC"):
            return of_profile(body[4:])
    for body in found:
        if body[:4] in (b"nclx", b"nclc") and len(body) >= 8:
            return of_code_points(int.from_bytes(body[4:6], "big"), int.from_bytes(body[6:8], "big"))
    return SRGB


def _tracks(heif: HeifFile) -> tuple[int, frozenset[str]]:
    """How many frames the sequence of pictures has, and whether the file has tracks of video or sound."""
    frames, extras = 0, set()
    for kind, start, stop in heif.tops:
        if kind != b"moov":
            continue
        for name, at, end in boxes(heif.data, start, min(stop, len(heif.data))):
            if name == b"trak":
                handler, samples = _track(heif.data, at, min(end, len(heif.data)))
                frames = max(frames, samples) if handler == b"pict" else frames
                extras |= {VIDEO} if handler == b"vide" else {AUDIO} if handler == b"soun" else set()
    return frames, frozenset(extras)


def _track(data: bytes, start: int, stop: int) -> tuple[bytes, int]:
    """The handler of a track and the number of its samples."""
    handler, samples = b"", 0
    for kind, at, end in boxes(data, start, stop):
        if kind == b"hdlr":
            handler = data[at + 8 : at + 12]
        elif kind in _PATH:
            inner, count = _track(data, at, min(end, stop))
            handler, samples = inner or handler, max(samples, count)
        elif kind in (b"stsz", b"stz2"):
            samples = int.from_bytes(data[at + 8 : at + 12], "big")
    return handler, samples


def _videos(heif: HeifFile) -> frozenset[str]:
    """A second file that is a video, in a box of its own or behind the picture."""
    kinds = [kind for kind, _, _ in heif.tops]
    return frozenset({VIDEO} if b"mpvd" in kinds or kinds.count(b"ftyp") > 1 else ())


def _damage(heif: HeifFile, primary: Item | None, frames: int) -> str | None:
    size = len(heif.data)
    ends = [
        heif.idat[0] * item.in_idat + offset + length for item in heif.items.values() for offset, length in item.extents
    ]
    if any(stop > size for _, _, stop in heif.tops) or any(end > size for end in ends):
        return CUT_OFF
    return INCOMPLETE if primary is None and not frames else None


def _unknown(heif: HeifFile) -> int:
    last = max([stop for _, _, stop in heif.tops] or [0])
    return len(heif.data[last:].strip(b"\0"))
