"""Every Pillow mode becomes sane RGB."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from retrieval.decode.rgb import to_rgb

COLOUR = (200, 100, 50)


def pixel(image: Image.Image) -> tuple[int, ...]:
    value = to_rgb(image).getpixel((0, 0))
    assert isinstance(value, tuple)
    return value


def close(a: tuple[int, ...], b: tuple[int, ...], tolerance: int = 3) -> bool:
    return len(a) == len(b) and all(abs(x - y) <= tolerance for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "RGBX", "YCbCr", "HSV", "CMYK", "P"])
def test_colour_survives(mode: str) -> None:
    image = Image.new("RGB", (4, 4), COLOUR)
    assert close(pixel(image.quantize() if mode == "P" else image.convert(mode)), COLOUR)


@pytest.mark.parametrize("mode", ["L", "LA", "I", "F"])
def test_grey_stays_grey(mode: str) -> None:
    grey = Image.fromarray(np.array([[120, 255]], np.uint8))
    image = grey.convert("F").point(lambda value: value / 255 + 0) if mode == "F" else grey.convert(mode)
    assert close(pixel(image), (120, 120, 120), 1)


def test_one_bit_is_black_and_white() -> None:
    image = Image.new("1", (2, 1), 0)
    image.putpixel((1, 0), 1)
    assert np.array_equal(np.asarray(to_rgb(image)), [[[0, 0, 0], [255, 255, 255]]])


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "RGBa", "La"])
def test_transparency_lies_over_white(mode: str) -> None:
    source = {"L": "LA", "P": "RGBA", "R": "RGBA"}[mode[0]]
    clear = Image.new(source, (2, 2), (0,) * len(source)).convert(mode)
    assert pixel(clear) == (255, 255, 255)


def test_half_transparent_black_is_grey() -> None:
    assert close(pixel(Image.new("RGBA", (1, 1), (0, 0, 0, 128))), (127, 127, 127), 1)


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_a_transparent_colour_is_white(mode: str) -> None:
    image = Image.new(mode, (4, 4), 0)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", transparency=(0, 0, 0) if mode == "RGB" else 0)
    with Image.open(buffer) as opened:
        opened.load()
        assert pixel(opened) == (255, 255, 255)


@pytest.mark.parametrize("bits", [8, 9, 10, 12, 14, 16])
@pytest.mark.parametrize("byte_order", ["<u2", ">u2"])
def test_grey_of_any_depth_is_scaled_not_clipped(bits: int, byte_order: str) -> None:
    ramp = np.linspace(0, 2**bits - 1, 256).astype(byte_order).reshape(16, 16)
    mode = "I;16" if byte_order == "<u2" else "I;16B"
    rgb = np.asarray(to_rgb(Image.frombytes(mode, (16, 16), ramp.tobytes())))
    assert np.abs(rgb[:, :, 0].ravel().astype(int) - np.arange(256)).max() <= 1


def test_signed_integers_start_at_their_lowest() -> None:
    image = Image.fromarray(np.array([[-1000, 0, 1000]], np.int32))
    low, middle, high = np.asarray(to_rgb(image))[0, :, 0].tolist()
    assert low == 0
    assert 0 < middle < high


def test_floats_beyond_one_are_scaled_and_nan_is_black() -> None:
    image = Image.fromarray(np.array([[np.nan, -1.0, 2.0, 4.0, np.inf]], np.float32))
    assert np.asarray(to_rgb(image))[0, :, 0].tolist() == [0, 0, 128, 255, 0]


def test_lab_becomes_the_colour_it_means() -> None:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    image = ImageCms.profileToProfile(Image.new("RGB", (2, 2), COLOUR), srgb, lab, outputMode="LAB")
    assert image is not None
    assert close(pixel(image), COLOUR)


def test_a_broken_cmyk_profile_is_ignored() -> None:
    image = Image.new("RGB", (2, 2), COLOUR).convert("CMYK")
    image.info["icc_profile"] = b"no profile at all"
    assert close(pixel(image), COLOUR)


def test_rgb_is_returned_as_it_is() -> None:
    image = Image.new("RGB", (2, 2))
    assert to_rgb(image) is image
