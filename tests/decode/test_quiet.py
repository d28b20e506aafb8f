"""Decoding libraries neither warn nor print."""

import io
import logging
import os
import struct
import threading
import warnings

import pytest
from PIL import Image

from retrieval.decode.quiet import hush_pillow, hushed_libraw


def test_pillows_warnings_are_ignored_and_those_of_others_are_not() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hush_pillow()
        with Image.open(io.BytesIO(tiff_that_warns())) as image:
            image.load()
        with pytest.raises(UserWarning, match="ours"):
            warnings.warn("ours", stacklevel=1)


def tiff_that_warns() -> bytes:
    """A TIFF with a tag whose data lie beyond the end."""
    buffer = io.BytesIO()
    Image.new("L", (4, 4)).save(buffer, "TIFF", tiffinfo={33432: "x" * 30})
    data = bytearray(buffer.getvalue())
    at = data.index(struct.pack("<HH", 33432, 2))
    data[at + 8 : at + 12] = struct.pack("<I", 1 << 30)
    return bytes(data)


def test_that_tiff_does_warn_by_itself() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="Truncated"):
            Image.open(io.BytesIO(tiff_that_warns()))


def test_one_filter_is_enough() -> None:
    hush_pillow()
    before = list(warnings.filters)
    hush_pillow()
    assert list(warnings.filters) == before


def test_libtiff_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    hush_pillow()
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).convert("1").save(buffer, "TIFF", compression="group4")
    data = buffer.getvalue()
    damaged = data[:8] + bytes(40) + data[48:]
    with Image.open(io.BytesIO(damaged)) as image:
        try:
            image.load()
        except OSError as error:
            assert "decoder error" in str(error)
    assert capfd.readouterr().err == ""


def test_pillows_log_has_a_listener() -> None:
    hush_pillow()
    assert any(isinstance(handler, logging.NullHandler) for handler in logging.getLogger("PIL").handlers)


def test_libraws_lines_vanish_and_other_lines_arrive(capfd: pytest.CaptureFixture[str]) -> None:
    with hushed_libraw():
        os.write(2, b"before\nunknown file: Unexpected end of file\nunknown file: data corrupted at 19206\n")
        os.write(2, b"Corrupt JPEG data: 87 extraneous bytes before marker 0xdb\nmy file: Unexpected end of file\n")
        assert capfd.readouterr().err == ""
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "before\nmy file: Unexpected end of file\nafter\n"


def test_lines_of_other_threads_arrive(capfd: pytest.CaptureFixture[str]) -> None:
    def shout(name: bytes) -> None:
        for _ in range(50):
            os.write(2, name + b"\n")

    def hush() -> None:
        for _ in range(20):
            with hushed_libraw():
                os.write(2, b"unknown file: Unexpected end of file\n")

    threads = [threading.Thread(target=shout, args=(name,)) for name in (b"a", b"b")]
    threads += [threading.Thread(target=hush) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = capfd.readouterr().err.splitlines()
    assert sorted(lines) == ["a"] * 50 + ["b"] * 50
