"""A recipe makes the files of one set; every category of pairs is one recipe at one or several sizes."""

from collections.abc import Callable
from dataclasses import dataclass

from shots.camera import Draw
from shots.studio import Made, Studio

Make = Callable[[Studio, str, Draw], Made]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How sets of one category are made."""

    category: str
    sizes: tuple[str, ...]  # of the subject in per cent of the longer side, or other variants
    make: Make


class Cookbook:
    """Recipes in the order in which they were added."""

    def __init__(self) -> None:
        self.recipes: list[Recipe] = []

    def add(self, category: str, *sizes: str) -> Callable[[Make], Make]:
        def remember(make: Make) -> Make:
            self.recipes.append(Recipe(category, sizes or ("",), make))
            return make

        return remember


def share(size: str) -> float:
    """'5 %' is 0.05."""
    return float(size.split()[0]) / 100
