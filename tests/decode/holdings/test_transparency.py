"""Whether alpha channels and transparent colours are used."""

import io

import pytest
from photos import scene
from PIL import Image

from retrieval.decode.holdings.transparency import is_transparent


def saved(image: Image.Image, form: str, **save: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **save)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_only_alpha_that_is_used_counts(form: str) -> None:
    opaque = scene(1).convert("RGBA")
    assert not is_transparent(saved(opaque, form, lossless=True), f"photo.{form}")
    cut_out = opaque.copy()
    cut_out.putpixel((5, 5), (0, 0, 0, 0))
    assert is_transparent(saved(cut_out, form, lossless=True), f"photo.{form}")


def test_a_transparent_colour_that_no_pixel_has() -> None:
    paletted = Image.new("P", (8, 8), 1)
    paletted.putpalette([0, 0, 0, 255, 0, 0])
    assert not is_transparent(saved(paletted, "PNG", transparency=0), "photo.png")
    paletted.putpixel((3, 3), 0)
    assert is_transparent(saved(paletted, "PNG", transparency=0), "photo.png")


def test_a_later_frame_may_be_the_transparent_one() -> None:
    frames = [scene(1).convert("RGBA"), Image.new("RGBA", (96, 64))]
    assert is_transparent(saved(frames[0], "PNG", save_all=True, append_images=frames[1:], disposal=1), "photo.png")


def test_pictures_without_alpha_and_broken_ones() -> None:
    assert not is_transparent(saved(scene(1), "JPEG"), "photo.jpg")
    assert is_transparent(b"", "photo.png")
    assert is_transparent(saved(scene(1).convert("RGBA"), "PNG")[:200], "photo.png")


def test_bombs_are_not_decoded() -> None:
    assert is_transparent(saved(scene(1), "PNG"), "photo.png", max_pixels=100)
