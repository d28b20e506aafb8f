"""Where the picture of a JPEG ends, whether its scans make it up, and what its headers list."""

import re
import struct

import pytest
from colour_profiles import DISPLAY_P3, profile
from encoded_photos import saved
from photos import scene

from retrieval.decode.holdings.jpeg_structure import read_jpeg


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, 2 + len(body)) + body


def frame(marker: int, components: int = 3, bits: int = 8) -> bytes:
    parts = b"".join(bytes((number, 0x11, 0)) for number in range(1, 1 + components))
    return segment(marker, struct.pack(">BHHB", bits, 64, 96, components) + parts)


def scan(components: tuple[int, ...], first: int = 0, last: int = 63, high: int = 0, low: int = 0) -> bytes:
    """A scan whose data hold what may stand there: a stuffed byte and restart markers."""
    parts = b"".join(bytes((number, 0)) for number in components)
    body = bytes((len(components),)) + parts + bytes((first, last, 16 * high + low))
    return segment(0xDA, body) + b"data\xff\0more\xff\xd0and\xff\xd7rest"


def jpeg(*parts: bytes) -> bytes:
    return b"\xff\xd8" + b"".join(parts) + b"\xff\xd9"


@pytest.mark.parametrize("save", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"subsampling": 0}])
def test_a_picture_ends_where_its_data_do(save: dict[str, object]) -> None:
    data = saved("JPEG", **save)
    found = read_jpeg(data + b"\xff\xd9 and more")
    assert (found.end, found.misses_scans) == (len(data), False)
    assert (found.width, found.height, found.components, found.bits) == (96, 64, 3, 8)
    behind = read_jpeg(b"before" + data, len(b"before"))
    assert (behind.end, behind.width) == (len(b"before" + data), 96)


def test_a_preview_in_the_headers_does_not_end_the_picture() -> None:
    preview = saved("JPEG", scene(2, (48, 32)))
    data = saved("JPEG")
    data = data[:2] + segment(0xE1, b"Exif\0\0" + preview) + data[2:]
    found = read_jpeg(data)
    assert (found.end, found.width) == (len(data), 96)


@pytest.mark.parametrize("picture", [scene(1), scene(1).convert("L")])
def test_each_scan_of_a_progressive_picture_is_needed(picture) -> None:
    """Left out one after another; what refines another counts as much as what brings something new."""
    data = saved("JPEG", picture, progressive=True)
    starts = [match.start() for match in re.finditer(b"\xff\xda", data)]
    assert len(starts) >= 6
    for start, stop in zip(starts, [*starts[1:], len(data) - 2], strict=True):
        found = read_jpeg(data[:start] + data[stop:])
        assert found.misses_scans, start
        assert found.end == len(data) - (stop - start)


def test_a_component_may_have_a_scan_of_its_own() -> None:
    table = segment(0xC4, b"\xff\xd9 of a table")
    whole = jpeg(frame(0xC0), scan((1,)), table, scan((2,)), scan((3,)))
    found = read_jpeg(whole)
    assert (found.end, found.misses_scans) == (len(whole), False)
    lost = read_jpeg(jpeg(frame(0xC0), scan((1,)), scan((3,))))
    assert (lost.misses_scans, lost.end) == (True, len(whole) - len(table + scan((2,))))


def test_bits_that_never_came_are_missing() -> None:
    coarse = [scan((1,), 0, 0), scan((1,), 1, 63, low=1)]
    assert read_jpeg(jpeg(frame(0xC2, 1), *coarse)).misses_scans
    assert not read_jpeg(jpeg(frame(0xC2, 1), *coarse, scan((1,), 1, 63, high=1))).misses_scans
    assert read_jpeg(jpeg(frame(0xC2, 1), *coarse, scan((1,), 1, 62, high=1))).misses_scans


def test_a_cut_off_picture_has_no_end_and_misses_nothing_that_can_be_told() -> None:
    for data in (saved("JPEG"), saved("JPEG", progressive=True)):
        found = read_jpeg(data[:-2])
        assert (found.end, found.misses_scans) == (None, False)
    assert read_jpeg(b"\xff\xd8").end is None
    assert read_jpeg(b"").headers == []


@pytest.mark.parametrize(("marker", "lossless"), [(0xC0, False), (0xC2, False), (0xC3, True)])
def test_the_frame_tells_depth_and_loss(marker: int, lossless: bool) -> None:
    found = read_jpeg(jpeg(frame(marker, 1, bits=12), scan((1,))))
    assert (found.is_lossless, found.bits, found.components) == (lossless, 12, 1)


def test_a_profile_in_parts_is_put_together_in_their_order() -> None:
    whole = profile(DISPLAY_P3, "Display P3")
    parts = [b"ICC_PROFILE\0" + bytes((1, 2)) + whole[:200], b"ICC_PROFILE\0" + bytes((2, 2)) + whole[200:]]
    data = jpeg(segment(0xE2, parts[1]), segment(0xE2, parts[0]), frame(0xC0, 1), scan((1,)))
    assert read_jpeg(data).profile == whole


@pytest.mark.parametrize("order", ["<", ">"])
def test_pictures_are_listed_from_the_head_of_their_list(order: str) -> None:
    """Entries that lead nowhere are left out; the first is the picture itself."""
    other = saved("JPEG", scene(2, (48, 32)))

    def listing(*entries: tuple[int, int, int]) -> bytes:
        table = b"".join(struct.pack(f"{order}IIIHH", *entry, 0, 0) for entry in ((0, 0, 0), *entries))
        head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
        directory = struct.pack(f"{order}HHHII", 1, 0xB002, 7, len(table), 26) + bytes(4)
        return segment(0xE2, b"MPF\0" + head + directory + table)

    def primary(*entries: tuple[int, int, int]) -> bytes:
        return jpeg(listing(*entries), frame(0xC0, 1), scan((1,)))

    base = 2 + 4 + 4  # of the list's own header in the file
    size = len(primary(*[(0, 0, 0)] * 4))
    entries = [
        (0x20010001, len(other), size - base),
        (0, len(other) + 1, size - base),  # beyond the file
        (0, 10, size - base + 1),  # no picture begins there
        (0, 0, 0x7FFFFFFF),
    ]
    found = read_jpeg(primary(*entries) + other)
    assert [(one.start, one.stop, one.is_preview) for one in found.listed] == [(size, size + len(other), True)]
