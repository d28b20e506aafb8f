import struct

import pytest
from live_photos import box, movie, photo

from retrieval.decode.live_photo import Movie, is_moving_part, read_movie

ONE, OTHER = "3A1B2C4D-0000-4E5F-8A9B-1234567890AB", "FFFFFFFF-0000-4E5F-8A9B-1234567890AB"
MOMENT = 1_600_000_000  # 2020-09-13T12:26:40 UTC


@pytest.mark.parametrize(
    ("photo_identifier", "video_identifier", "is_part"),
    [(ONE, ONE, True), (ONE, OTHER, False), (ONE, "", False), ("", ONE, False), ("", "", False)],
)
def test_the_content_identifier_decides(tmp_path, photo_identifier, video_identifier, is_part):
    jpeg, mov = photo(tmp_path / "a.jpg", photo_identifier), movie(tmp_path / "a.mov", video_identifier)
    assert is_moving_part(jpeg, mov) == is_part


@pytest.mark.parametrize(
    ("taken", "offset", "is_part"),
    [
        ("2020:09:13 12:26:40", "", True),
        ("2020:09:13 14:26:40", "", True),  # a clock two hours ahead of UTC
        ("2020:09:13 18:11:40", "", True),  # Nepal's, by 5 hours and 45 minutes
        ("2020:09:13 14:26:40", "+02:00", True),
        ("2020:09:13 12:26:40", "+02:00", True),  # a camera that writes local time into videos
        ("2020:09:13 15:26:40", "+02:00", False),
        ("2020:09:13 14:27:40", "", False),
        ("2020:09:14 12:26:40", "", False),
        ("", "", False),
    ],
)
def test_without_identifiers_the_second_decides(tmp_path, taken, offset, is_part):
    jpeg, mov = photo(tmp_path / "a.jpg", "", taken, offset), movie(tmp_path / "a.mov", "", MOMENT)
    assert is_moving_part(jpeg, mov) == is_part
    if is_part:
        assert not is_moving_part(photo(tmp_path / "b.jpg", ONE, taken, offset), mov)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"edits",
        b"\0" * 40,
        box(b"moov", b"\0\0\0\4junk"),
        box(b"moov", box(b"mvhd", b"\1")),
        struct.pack(">I4s", 1, b"moov"),
    ],
)
def test_broken_videos_say_nothing(tmp_path, data):
    (tmp_path / "a.mov").write_bytes(data)
    assert read_movie(tmp_path / "a.mov") == Movie()
    assert not is_moving_part(photo(tmp_path / "a.jpg", ONE), tmp_path / "a.mov")
    assert not is_moving_part(tmp_path / "missing.jpg", tmp_path / "a.mov")
