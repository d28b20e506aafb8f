import io

import numpy as np
import pytest
from photos import photo, scene

from retrieval.decode.photo import MAX_PIXELS
from retrieval.embed.prepare import Preparation, bytes_of, name_of, path_of, read_source
from retrieval.errors import PhotoError
from retrieval.records import Source

PREPARATION = Preparation(32, 48)


def source(path):
    return Source("a", path.name, path.stat().st_size, 7)


def test_every_spelling_of_an_image_gives_the_same_pixels(tmp_path):
    picture = scene(1)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    images = [str(tmp_path / "a.png"), tmp_path / "a.png", buffer.getvalue(), bytearray(buffer.getvalue()), picture]
    expected = PREPARATION.image(np.asarray(picture))
    assert (expected.shape, expected.dtype) == ((32, 48, 3), np.uint8)
    for image in images:
        assert np.abs(PREPARATION.image(image).astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    "image",
    [
        None, 5, 2.5, np.zeros((4, 4), np.float32), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_image_is_told(image):
    with pytest.raises(PhotoError, match="is not an image"):
        PREPARATION.image(image)


def test_a_file_has_facts_preview_and_pixels_or_its_failure(tmp_path):
    path = photo(tmp_path / "a.jpg", 1)
    prepared = PREPARATION.file(read_source(source(path), path))
    assert prepared.pixels.shape == (32, 48, 3)
    assert (prepared.item.facts.width, prepared.item.facts.height, prepared.item.failure) == (96, 64, None)
    assert prepared.item.preview is not None
    path.write_text("no photo")
    failed = PREPARATION.file(read_source(source(path), path))
    assert (failed.pixels, failed.item.failure.kind) == (None, "not-a-photo")


def test_pictures_beyond_the_limit_are_refused(tmp_path):
    path = photo(tmp_path / "a.jpg", 1)
    small = Preparation(32, 32, max_pixels=96 * 64 - 1)
    assert small.file(read_source(source(path), path)).item.failure.kind == "too-large"
    assert Preparation(32, 32).max_pixels == MAX_PIXELS


def test_a_file_that_vanished_keeps_what_was_listed(tmp_path):
    listed = Source("a", "gone.jpg", 10, 7)
    found = read_source(listed, tmp_path / "gone.jpg")
    outcome = found.outcome
    assert (found.data, outcome.size, outcome.mtime_ns, outcome.failure.kind) == (None, 10, 7, "unreadable")


def test_images_have_a_name_for_messages(tmp_path):
    assert name_of(tmp_path / "a.jpg") == str(tmp_path / "a.jpg")
    assert (name_of(b"x"), name_of(scene(1)), path_of(b"x"), bytes_of("x")) == ("-", "<Image>", None, None)
