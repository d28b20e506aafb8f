"""Two files with one digest show the same picture to the last bit, and the other way round."""

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from colour_profiles import DISPLAY_P3, profile
from photos import scene
from PIL import Image, ImageCms
from raw_photos import dng

from retrieval.dedupe.alike.same_pixels import picture_digest

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
P3 = profile(DISPLAY_P3, "Display P3")


def saved(form: str, image: Image.Image | None = None, **save: object) -> bytes:
    buffer = io.BytesIO()
    (image or scene(1)).save(buffer, form, **save)
    return buffer.getvalue()


def digest(data: bytes, name: str = "photo") -> bytes:
    found = picture_digest(data, name)
    assert found is not None
    return found


def deep(suffix: str, pixels: np.ndarray | None = None) -> bytes:
    if pixels is None:
        pixels = np.random.default_rng(1).integers(0, 65536, (40, 60, 3), dtype=np.uint16)
    return bytes(cv2.imencode(suffix, pixels)[1])


def turned(form: str, orientation: int) -> bytes:
    """The same picture, stored lying and to be turned."""
    exif = Image.Exif()
    exif[274] = orientation
    back = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 5: Image.Transpose.TRANSPOSE}[orientation]
    return saved(form, scene(1).transpose(back), exif=exif)


def cut_out(form: str, **save: object) -> bytes:
    image = scene(1).convert("RGBA")
    image.putpixel((5, 5), (9, 9, 9, 0))
    return saved(form, image, **save)


LOSSLESS: dict[str, Callable[[], bytes]] = {
    "PNG": lambda: saved("PNG"),
    "BMP": lambda: saved("BMP"),
    "TIFF": lambda: saved("TIFF"),
    "compressed TIFF": lambda: saved("TIFF", compression="tiff_adobe_deflate"),
    "WebP": lambda: saved("WEBP", lossless=True),
    "PPM": lambda: saved("PPM"),
    "opaque alpha": lambda: saved("PNG", scene(1).convert("RGBA")),
    "opaque alpha in TIFF": lambda: saved("TIFF", scene(1).convert("RGBA")),
    "with a profile of sRGB": lambda: saved("PNG", icc_profile=SRGB),
    "with a profile of sRGB in TIFF": lambda: saved("TIFF", icc_profile=SRGB),
    "turned PNG": lambda: turned("PNG", 6),
    "turned TIFF": lambda: turned("TIFF", 3),
    "mirrored TIFF": lambda: turned("TIFF", 5),
    "16 bits that say no more": lambda: deep(".png", np.asarray(scene(1))[:, :, ::-1].astype(np.uint16) * 257),
}


@pytest.mark.parametrize("form", LOSSLESS)
def test_one_picture_in_many_containers_has_one_digest(form: str) -> None:
    assert digest(LOSSLESS[form]()) == digest(LOSSLESS["PNG"]())


def test_a_jpeg_equals_what_it_decodes_to() -> None:
    data = saved("JPEG")
    decoded = Image.open(io.BytesIO(data))
    assert digest(data) == digest(saved("PNG", decoded)) != digest(LOSSLESS["PNG"]())


def test_grey_is_grey_however_it_is_stored() -> None:
    grey = scene(1).convert("L")
    forms = [
        saved("PNG", grey),
        saved("PNG", grey.convert("RGB")),
        saved("TIFF", grey),
        saved("PNG", grey.convert("P")),
    ]
    assert len({digest(data) for data in [*forms, saved("PNG", grey.convert("LA")), saved("GIF", grey)]}) == 1


def test_palettes_are_resolved() -> None:
    paletted = scene(1).quantize(32)
    forms = [
        saved("PNG", paletted),
        saved("GIF", paletted),
        saved("PNG", paletted.convert("RGB")),
        saved("TIFF", paletted),
    ]
    assert len({digest(data) for data in forms}) == 1


def test_black_and_white_of_one_bit() -> None:
    line_art = scene(1).convert("1")
    assert (
        digest(saved("PNG", line_art)) == digest(saved("PNG", line_art.convert("L"))) == digest(saved("TIFF", line_art))
    )


def test_depth() -> None:
    assert digest(deep(".png")) == digest(deep(".tif"))
    eight = bytes(
        cv2.imencode(".png", (cv2.imdecode(np.frombuffer(deep(".png"), np.uint8), -1) >> 8).astype(np.uint8))[1]
    )
    assert digest(deep(".png")) != digest(eight)
    other = np.random.default_rng(1).integers(0, 65536, (40, 60, 3), dtype=np.uint16)
    other[20, 30, 1] ^= 1  # one bit
    assert digest(deep(".png")) != digest(deep(".png", other))


def test_one_pixel_counts() -> None:
    image = scene(1)
    red, green, blue = image.getpixel((95, 63))  # type: ignore[misc]
    image.putpixel((95, 63), (red, green, blue ^ 1))
    assert digest(saved("PNG", image)) != digest(LOSSLESS["PNG"]())


def test_alpha_that_is_used_counts() -> None:
    assert digest(cut_out("PNG")) == digest(cut_out("TIFF")) == digest(cut_out("WEBP", lossless=True, exact=True))
    assert digest(cut_out("PNG")) != digest(LOSSLESS["PNG"]())


def test_the_same_numbers_in_another_space_are_another_picture() -> None:
    wide = digest(saved("PNG", icc_profile=P3))
    assert wide == digest(saved("TIFF", icc_profile=P3)) != digest(LOSSLESS["PNG"]())
    assert wide != digest(saved("PNG", icc_profile=profile(DISPLAY_P3, "Display P3", gamma=1.8)))


def test_inks_are_no_colours_of_a_screen() -> None:
    inks = scene(1).convert("CMYK")
    assert digest(saved("TIFF", inks)) != digest(saved("PNG", inks.convert("RGB")))


def test_all_pages_count() -> None:
    first, more = digest(saved("TIFF")), [scene(2), scene(3)]
    three = digest(saved("TIFF", save_all=True, append_images=more))
    assert three == digest(saved("TIFF", save_all=True, append_images=more, compression="tiff_lzw")) != first
    assert three != digest(saved("TIFF", save_all=True, append_images=[scene(2), scene(4)]))


@pytest.mark.parametrize("form", ["WEBP", "PNG"])
def test_all_frames_and_their_pace_count(form: str) -> None:
    def animation(last: int, pace: int) -> bytes:
        more = {"save_all": True, "append_images": [scene(2), scene(last)], "duration": pace, "lossless": True}
        return saved(form, **more)

    assert digest(animation(3, 100)) == digest(animation(3, 100))
    assert digest(animation(3, 100)) != digest(animation(4, 100))
    assert digest(animation(3, 100)) != digest(animation(3, 200))
    assert digest(animation(3, 100)) != digest(LOSSLESS["PNG"]())


def test_a_picture_for_those_who_cannot_show_an_animation_counts() -> None:
    more = {"append_images": [scene(2), scene(3)], "save_all": True, "duration": 100, "default_image": True}
    assert digest(saved("PNG", **more)) == digest(saved("PNG", **more)) != digest(saved("PNG", scene(4), **more))


def test_one_animation_in_two_formats() -> None:
    frames = [scene(seed).convert("RGBA") for seed in (1, 2, 3)]
    for frame in frames:
        frame.putpixel((0, 0), (0, 0, 0, 0))
    more = {"save_all": True, "append_images": frames[1:], "duration": 100}
    webp = saved("WEBP", frames[0], lossless=True, exact=True, **more)
    assert digest(webp) == digest(saved("PNG", frames[0], **more))


def test_a_motion_photo_is_more_than_its_picture() -> None:
    video = b"\0\0\0\x18ftypmp42" + bytes(range(100))
    assert digest(saved("JPEG") + video) != digest(saved("JPEG"))
    assert digest(saved("JPEG") + video) != digest(saved("JPEG") + video[:-1] + b"?")
    assert digest(saved("JPEG", comment="a") + video) == digest(saved("JPEG", comment="b") + video)


def test_pictures_behind_a_jpeg_count() -> None:
    more = {"save_all": True, "append_images": [scene(2)]}
    assert digest(saved("MPO", **more)) != digest(saved("JPEG"))
    assert digest(saved("MPO", **more)) != digest(saved("MPO", save_all=True, append_images=[scene(3)]))


def test_what_the_memory_of_a_camera_held_does_not_count() -> None:
    assert digest(saved("JPEG") + bytes(range(100))) == digest(saved("JPEG"))


def test_a_raw_is_its_sensors_values_whatever_was_written_about_it() -> None:
    pixels = np.asarray(scene(1))
    raw = digest(dng(pixels), "shot.dng")
    assert raw == digest(dng(pixels, exif={36867: ("text", "2023:05:01 06:07:08")}), "shot.dng")
    assert raw == digest(dng(pixels, preview=saved("JPEG")), "shot.dng")
    assert raw != digest(dng(pixels, orientation=6), "shot.dng")
    assert raw != digest(dng(np.asarray(scene(2))), "shot.dng")
    assert picture_digest(dng(pixels)[:3000], "shot.dng") is None


def test_heic_of_eight_and_ten_bits() -> None:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(1).integers(0, 65536, (64, 64, 3), dtype=np.uint16).astype("<u2")
    pillow_heif.from_bytes("RGB;16", (64, 64), pixels.tobytes()).save(buffer, quality=-1)
    assert digest(buffer.getvalue(), "photo.heic") == digest(buffer.getvalue(), "other.heic")


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "compressed TIFF", "WebP"])
def test_damaged_files_have_none(form: str) -> None:
    data = LOSSLESS[form]()
    assert picture_digest(data[: len(data) // 2], "photo") is None
    assert picture_digest(data[:-3], "photo") is None


def test_other_files_have_none() -> None:
    assert picture_digest(b"", "photo.jpg") is None
    assert picture_digest(b"no photo", "photo.jpg") is None
    assert picture_digest(saved("JPEG")[:-2], "photo.jpg") is None
    assert picture_digest(saved("PNG"), "photo.png", max_pixels=100) is None


@pytest.mark.shared
def test_every_real_file_is_answered(shared: Path, capfd: pytest.CaptureFixture[str]) -> None:
    answers = {}
    for path in sorted(shared.joinpath("hard").rglob("*.*")):
        answers[path.relative_to(shared).as_posix()] = picture_digest(path.read_bytes(), path.name, 2_000_000)
    assert sum(answer is not None for answer in answers.values()) > 0.8 * len(answers)
    assert capfd.readouterr().err == ""
    for path in sorted(shared.joinpath("camera").iterdir())[:4]:
        assert picture_digest(path.read_bytes(), path.name) is not None, path
