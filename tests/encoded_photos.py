"""Photos that tests make for themselves as the bytes of files, in every format that Pillow and pillow-heif write."""

import io

import pillow_heif
from photos import scene
from PIL import Image


def saved(form: str, image: Image.Image | None = None, **save: object) -> bytes:
    """A scene, or another picture, in a format of Pillow."""
    buffer = io.BytesIO()
    (image or scene(1)).save(buffer, form, **save)
    return buffer.getvalue()


def heic(**save: object) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(scene(1)).save(buffer, **save)
    return buffer.getvalue()
