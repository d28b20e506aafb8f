"""One shot in two files: the photo as it was taken, and what a program, a person or a fault made of it."""

import io
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from shots.camera import Draw, exposed, jpeg, saved
from shots.placing import placed, somewhere
from shots.recipe import Cookbook
from shots.studio import Made, Shooting, Studio

Edit = Callable[[Image.Image, str, Draw], Image.Image]


@dataclass(frozen=True, slots=True)
class Original:
    """A photo as its camera wrote it."""

    image: Image.Image  # decoded from the file
    file: bytes
    shooting: Shooting

    @property
    def name(self) -> str:
        return self.shooting.name(0)

    @property
    def stem(self) -> str:
        return self.name.removesuffix(".jpg")

    def beside(self, name: str, file: bytes, expectation: str) -> Made:
        return Made({self.name: self.file, name: file}, expectation, self.shooting.told)


def original(studio: Studio, draw: Draw, side: int | None = None) -> Original:
    scene, shooting = studio.scene(draw, side), studio.shooting(draw)
    if draw.random() < 0.7:
        scene = placed(scene, studio.cutout(draw), somewhere(draw), draw.uniform(0.05, 0.3))
    file = jpeg(exposed(scene, draw, shooting.iso), int(draw.integers(90, 96)), shooting.exif(0))
    return Original(decoded(file), file, shooting)


def decoded(file: bytes) -> Image.Image:
    return Image.open(io.BytesIO(file)).convert("RGB")


def exported(photo: Original, image: Image.Image, expectation: str, draw: Draw, quality: int | None = None) -> Made:
    """Save an edited copy as JPEG, with the photo's EXIF or without."""
    exif = photo.shooting.exif(0) if draw.integers(2) else b""
    name = (f"{photo.stem}-edit.jpg", f"{photo.stem} (1).jpg", f"export-{draw.integers(10**6):06}.jpg")
    file = jpeg(image, quality or int(draw.integers(88, 95)), exif)
    return photo.beside(str(draw.choice(name)), file, expectation)


Save = Callable[[Original, Image.Image, Draw], Made]


class Versions(Cookbook):
    """Recipes of one shot in two files; most of them are one edit of the picture."""

    def jpeg(self, category: str, *sizes: str, expect: str) -> Callable[[Edit], Edit]:
        """Add a category of copies that are saved as JPEG."""

        def save(photo: Original, image: Image.Image, draw: Draw) -> Made:
            return exported(photo, image, expect, draw)

        return self._edit(category, sizes, save)

    def png(self, category: str, *sizes: str, expect: str) -> Callable[[Edit], Edit]:
        """Add a category of copies that are saved as PNG: larger files than the original."""

        def save(photo: Original, image: Image.Image, draw: Draw) -> Made:
            exif = photo.shooting.exif(0) if draw.integers(2) else b""
            return photo.beside(f"{photo.stem}.png", saved(image, "PNG", compress_level=1, exif=exif), expect)

        return self._edit(category, sizes, save)

    def _edit(self, category: str, sizes: tuple[str, ...], save: Save) -> Callable[[Edit], Edit]:
        def remember(change: Edit) -> Edit:
            @self.add(category, *sizes)
            def make(studio: Studio, size: str, draw: Draw) -> Made:
                photo = original(studio, draw)
                return save(photo, change(photo.image, size, draw), draw)

            return change

        return remember
