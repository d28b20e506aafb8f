"""What PNG, GIF, WebP, Photoshop, JPEG 2000 and Windows bitmap files hold."""

import struct
import zlib

from retrieval.decode.colour_spaces import SRGB, ColourSpace, of_code_points, of_inks, of_profile
from retrieval.decode.containers import photoshop_resources, png_chunks, riff_chunks
from retrieval.decode.holdings.record import CUT_OFF, LAYERS, Holdings
from retrieval.decode.signatures import boxes

_PROFILE_LIMIT = 16_000_000  # bytes of a profile that a PNG keeps compressed
_GREY, _PALETTE, _GREY_ALPHA, _RGBA = 0, 3, 4, 6  # PNG's types of colour
_SRGB_GAMMA, _GAMMA_TOLERANCE = 45_455, 1_500
_SRGB_WHITE_AND_PRIMARIES = (31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000)
_PRIMARY_TOLERANCE = 1_000
_ANIMATION, _ALPHA = 0x02, 0x10  # flags of WebP's extended header
_PROFILE_RESOURCE = 1039
_OS2_HEADER = 12  # bytes of the header of OS/2 1.x; all others begin like that of Windows
_UNPACKED = (0, 3, 6)  # ways in which a bitmap stores its rows at full length


def png_holdings(data: bytes) -> Holdings:
    """What a PNG or an animated PNG holds."""
    chunks: dict[bytes, bytes] = {}
    damage: str | None = CUT_OFF
    end, frames = len(data), 0
    for kind, start, stop in png_chunks(data):
        if stop + 4 > len(data):
            break
        if kind == b"IEND":
            damage, end = damage if damage != CUT_OFF else None, stop + 4
            break
        if zlib.crc32(data[start - 4 : stop]) != int.from_bytes(data[stop : stop + 4], "big") and kind[:1].isupper():
            damage = "damaged: a checksum is wrong"
        frames += kind == b"fcTL"
        if kind != b"IDAT":
            chunks.setdefault(kind, data[start:stop])
    header = chunks.get(b"IHDR", b"").ljust(13, b"\0")
    colour_type = header[9]
    return Holdings(
        pages=max(frames, 1) if b"acTL" in chunks else 1,
        is_animated=frames > 1 and b"acTL" in chunks,
        bits=8 if colour_type == _PALETTE else header[8] or 8,
        may_be_transparent=colour_type in (_GREY_ALPHA, _RGBA) or b"tRNS" in chunks,
        is_grey=colour_type in (_GREY, _GREY_ALPHA),
        colours=_png_colours(chunks),
        is_lossless=True,
        damage=damage,
        unknown_bytes=len(data[end:].strip(b"\0")),
    )


def _png_colours(chunks: dict[bytes, bytes]) -> ColourSpace:
    """In the order in which PNG's third edition believes its chunks."""
    if len(chunks.get(b"cICP", b"")) >= 4:
        return of_code_points(*chunks[b"cICP"][:2])
    if b"iCCP" in chunks:
        compressed = chunks[b"iCCP"].partition(b"\0")[2][1:]
        try:
            return of_profile(zlib.decompressobj().decompress(compressed, _PROFILE_LIMIT))
        except zlib.error:
            return SRGB
    if b"sRGB" in chunks:
        return SRGB
    primaries = _numbers(chunks.get(b"cHRM", b""), 8)
    if primaries and any(
        abs(one - own) > _PRIMARY_TOLERANCE for one, own in zip(primaries, _SRGB_WHITE_AND_PRIMARIES, strict=True)
    ):
        return ColourSpace("primaries of its own", is_wide=_area(primaries) > 1.1 * _area(_SRGB_WHITE_AND_PRIMARIES))
    gamma = _numbers(chunks.get(b"gAMA", b""), 1)
    if gamma and gamma[0] and abs(gamma[0] - _SRGB_GAMMA) > _GAMMA_TOLERANCE:
        return ColourSpace(f"gamma {100_000 / gamma[0]:.2f}")
    return SRGB


def _numbers(body: bytes, count: int) -> tuple[int, ...]:
    return struct.unpack(f">{count}I", body[: 4 * count]) if len(body) >= 4 * count else ()


def _area(primaries: tuple[int, ...]) -> float:
    x0, y0, x1, y1, x2, y2 = primaries[2:]
    return abs((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)) / 2


def gif_holdings(data: bytes) -> Holdings:
    """What a GIF holds."""
    frames, transparent, at = 0, False, 13 + _colour_table(data, 10)
    damage: str | None = CUT_OFF
    while at < len(data):
        kind = data[at]
        if kind == 0x3B:
            damage = None
            break
        if kind == 0x21:
            transparent |= data[at + 1 : at + 2] == b"\xf9" and bool(data[at + 3 : at + 4] > b"" and data[at + 3] & 1)
            at = _behind_blocks(data, at + 2)
        elif kind == 0x2C:
            frames += 1
            at = _behind_blocks(data, at + 11 + _colour_table(data, at + 9))
        else:
            break
    return Holdings(
        pages=max(frames, 1),
        is_animated=frames > 1,
        may_be_transparent=transparent,
        is_lossless=True,
        damage=damage if at <= len(data) and (damage is None or at < len(data)) else CUT_OFF,
    )


def _colour_table(data: bytes, at: int) -> int:
    """The length of the table of colours that the flags at a place announce."""
    flags = data[at] if at < len(data) else 0
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _behind_blocks(data: bytes, at: int) -> int:
    """Where a chain of sub-blocks ends; beyond the data where it is cut off."""
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return at + 1


def webp_holdings(data: bytes) -> Holdings:
    """What a WebP holds."""
    end = 8 + int.from_bytes(data[4:8], "little")
    flags, frames, lossy, transparent, colours = 0, 0, False, False, SRGB
    for kind, start, stop in riff_chunks(data[:end]):
        body = data[start : min(stop, start + 32)]
        if kind == b"VP8X":
            flags = body[0] if body else 0
        elif kind == b"ANMF":
            frames += 1
            # The frame's own chunks stand behind its header of 16 bytes, its alpha channel before the picture.
            lossy |= any(inner == b"VP8 " for inner, _, _ in riff_chunks(data[start + 4 : stop]))
        elif kind == b"VP8 ":
            lossy = True
        elif kind == b"VP8L" and len(body) >= 5:
            transparent |= bool(body[4] & 0x10)
        elif kind == b"ICCP":
            colours = of_profile(data[start:stop])
    return Holdings(
        pages=max(frames, 1),
        is_animated=bool(flags & _ANIMATION) and frames > 1,
        may_be_transparent=bool(flags & _ALPHA) or transparent,
        colours=colours,
        is_lossless=not lossy,
        damage=CUT_OFF if end > len(data) else None,
        unknown_bytes=len(data[end:].strip(b"\0")),
    )


def photoshop_holdings(data: bytes) -> Holdings:
    """What a Photoshop file holds."""
    try:
        channels, _, _, bits, mode = struct.unpack_from(">HIIHH", data, 12)
        (palette,) = struct.unpack_from(">I", data, 26)
        (resources,) = struct.unpack_from(">I", data, 30 + palette)
        (masks,) = struct.unpack_from(">I", data, 34 + palette + resources)
        (layers,) = struct.unpack_from(">I", data, 38 + palette + resources) if masks else (0,)
    except struct.error:
        return Holdings(is_lossless=True, damage=CUT_OFF)
    found = {kind: (start, stop) for kind, start, stop in photoshop_resources(data)}
    start, stop = found.get(_PROFILE_RESOURCE, (0, 0))
    own = {0: 1, 1: 1, 2: 1, 3: 3, 4: 4, 7: 3, 9: 3}.get(mode, channels)
    return Holdings(
        bits=bits,
        may_be_transparent=channels > own,
        is_grey=mode in (0, 1),
        colours=of_inks(data[start:stop]) if mode == 4 else of_profile(data[start:stop]) if stop else SRGB,
        is_lossless=True,
        extras=frozenset({LAYERS} if layers else ()),
        damage=CUT_OFF if _photoshop_end(data, 38 + palette + resources + masks) > len(data) else None,
    )


def _photoshop_end(data: bytes, at: int) -> int:
    """Where the picture ends that a Photoshop file keeps beside its layers and that begins at `at`."""
    channels, height, width, bits = (int(value) for value in struct.unpack_from(">HIIH", data, 12))
    coding, rows = data[at : at + 2], at + 2
    if coding == b"\0\0":
        return rows + (width * bits + 7) // 8 * height * channels
    if coding == b"\0\1":  # each row packed by itself, behind the lengths of all
        lengths = data[rows : rows + 2 * height * channels]
        packed = sum(int(length) for (length,) in struct.iter_unpack(">H", lengths[: len(lengths) // 2 * 2]))
        return rows + 2 * height * channels + packed
    return rows


def jpeg_2000_holdings(data: bytes) -> Holdings:
    """What a JPEG 2000 file or codestream holds."""
    at = data.find(b"\xff\x4f\xff\x51")
    bits, components = 8, 3
    if at >= 0 and len(data) >= at + 43:
        components = int.from_bytes(data[at + 40 : at + 42], "big")
        bits = (data[at + 42] & 0x7F) + 1
    reversible = data.find(b"\xff\x52", at, at + 1000)
    colours, end = SRGB, len(data)
    for kind, start, stop in boxes(data, 0, len(data)) if data[4:8] == b"jP  " else ():
        if kind == b"jp2c":
            end = stop
        if kind == b"jp2h":
            for name, first, last in boxes(data, start, min(stop, len(data))):
                if name == b"colr" and data[first : first + 1] == b"\2":
                    colours = of_profile(data[first + 3 : last])
    return Holdings(
        bits=bits,
        may_be_transparent=components in (2, 4),
        is_grey=components < 3,
        colours=colours,
        is_lossless=reversible >= 0 and data[reversible + 13 : reversible + 14] == b"\1",
        damage=None if end <= len(data) and b"\xff\xd9" in data[end - 64 : end] else CUT_OFF,
    )


def bitmap_holdings(data: bytes) -> Holdings:
    """What a Windows or OS/2 bitmap holds."""
    try:
        (offset, header) = struct.unpack_from("<II", data, 10)
        if header == _OS2_HEADER:
            width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
            compression, size = 0, 0
        else:
            width, height, _, bits, compression, size = struct.unpack_from("<iiHHII", data, 18)
    except struct.error:
        return Holdings(is_lossless=True, damage=CUT_OFF)
    packed = (width * bits + 31) // 32 * 4 * abs(height) if compression in _UNPACKED else size
    return Holdings(
        may_be_transparent=bits == 32,
        is_lossless=True,
        damage=CUT_OFF if offset + packed > len(data) else None,
    )
