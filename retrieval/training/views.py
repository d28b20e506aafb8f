"""Views: what teacher and student look at, drawn from the pictures in every way that a camera or a person might.

A few hundred pictures do when each is seen in thousands of ways: Asano and Saeed, "Extrapolating from a Single Image
to a Thousand Classes using Distillation", arXiv 2112.00725, whose recipe of crops and mixes this follows.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from retrieval.training import colour, degrade, jpeg, mixes, textures
from retrieval.training.atlas import Atlas
from retrieval.training.chance import Chance, Range


@dataclass(frozen=True, slots=True)
class ViewSettings:
    """How views are drawn. A share is the part of all views to which something happens."""

    # Evenly spread sides, not areas: half of the views then show less than a third of the picture, down to 1 %.
    side: Range = (0.1, 1.0)  # of the picture's width and height
    whole: float = 0.1  # share of whole pictures, squashed to a square as photos are that a network is to embed
    aspect: Range = (0.7, 1.43)  # what is cut out of a picture, beside the picture's own
    turned: float = 0.3
    turn: float = 45.0  # degrees at most, to either side
    upside_down: float = 0.03  # cameras look up, but seldom stand on their heads
    textures: float = 0.06
    mosaics: float = 0.10
    patched: float = 0.15
    double_exposures: float = 0.10
    insets: float = 0.0
    jittered: float = 0.8
    jitter: float = 0.7  # strength: 0 none, 1 strong
    grey: float = 0.06
    tones: float = 0.15
    gamma: Range = (0.5, 2.0)
    solarised: float = 0.02
    blurred: float = 0.12
    blur: Range = (0.3, 2.0)  # pixels
    noisy: float = 0.12
    noise: Range = (0.01, 0.12)  # of 1
    coarse: float = 0.06
    coarseness: Range = (1.5, 4.0)  # times smaller
    recompressed: float = 0.15
    quality: Range = (8.0, 80.0)  # of JPEG


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Views of chosen pictures."""

    images: Tensor  # (n, 3, size, size), float32, 0 to 1
    mixed: Tensor  # (n,), bool: whether a view shows anything beside its picture


class Views:
    """An endless supply of views of some pictures."""

    def __init__(self, atlas: Atlas, settings: ViewSettings, size: int) -> None:
        self.atlas = atlas
        self.settings = settings
        self.size = size  # pixels, height and width

    def draw(self, n: int, chance: Chance) -> Tensor:
        """Draw views (n, 3, size, size), float32, 0 to 1."""
        return self.draw_of(chance.integers((n,), len(self.atlas)), chance).images

    def draw_of(self, which: Tensor, chance: Chance) -> Drawn:
        """Draw one view of each of the pictures `which` (n,), by number."""
        mixed = torch.zeros(len(which), dtype=torch.bool, device=which.device)
        images = self._crops(which, chance, mixed)
        self._mix(images, chance, mixed)
        self._colour(images, chance)
        self._degrade(images, chance)
        return Drawn(images.clamp_(0, 1), mixed)  # bilinear weights may add up to a little more than 1

    def _crops(self, which: Tensor, chance: Chance, mixed: Tensor) -> Tensor:
        n = len(which)
        images = self.atlas.windows(which, self._matrices(n, self.atlas.aspects[which], chance), self.size)
        drawn = chance.some(n, self.settings.textures)
        if len(drawn):
            images[drawn] = textures.draw(chance, len(drawn), self.size)
            mixed[drawn] = True
        return images

    def _matrices(self, n: int, aspects: Tensor, chance: Chance) -> Tensor:
        """Matrices (n, 2, 3) from a window to its picture: sizes, places, turns and flips."""
        settings = self.settings
        stretch = chance.log_uniform((n,), settings.aspect).sqrt()
        side = chance.uniform((n,), settings.side)
        sides = torch.stack([side * stretch, side / stretch], dim=1).clamp(max=1)  # (n, 2), of width and height
        angle = chance.uniform((n,), (-settings.turn, settings.turn)) * (math.pi / 180)
        angle = torch.where(chance.uniform((n,)) < settings.turned, angle, 0)
        whole = chance.uniform((n,)) < settings.whole
        sides, angle = torch.where(whole.unsqueeze(1), 1, sides), torch.where(whole, 0, angle)
        centre = 0.5 + (chance.uniform((n, 2)) - 0.5) * (1 - sides)
        flips = torch.stack([_signs(chance, n, 0.5), _signs(chance, n, settings.upside_down)], dim=1)
        # Turned where a pixel is as wide as it is high, then measured in the picture's own width and height.
        shape = torch.stack([aspects, torch.ones_like(aspects)], dim=1)
        cosine, sine = angle.cos(), angle.sin()
        turn = torch.stack([cosine, -sine, sine, cosine], dim=1).view(n, 2, 2)
        scaled = turn * (flips * sides * shape / 2).unsqueeze(1) / shape.unsqueeze(2)
        return torch.cat([scaled, centre.unsqueeze(2)], dim=2)

    def _mix(self, images: Tensor, chance: Chance, mixed: Tensor) -> None:
        for mix, share in (
            (mixes.mosaics, self.settings.mosaics),
            (mixes.patched, self.settings.patched),
            (mixes.double_exposures, self.settings.double_exposures),
            (mixes.insets, self.settings.insets),
        ):
            chosen = chance.some(len(images), share)
            if len(chosen):
                images[chosen] = mix(images, chosen, chance)
                mixed[chosen] = True

    def _colour(self, images: Tensor, chance: Chance) -> None:
        settings = self.settings
        _apply(images, chance, settings.jittered, lambda some: colour.jitter(some, chance, settings.jitter))
        _apply(images, chance, settings.grey, colour.grey)
        _apply(images, chance, settings.tones, lambda some: colour.gamma(some, chance, settings.gamma))
        _apply(images, chance, settings.solarised, lambda some: colour.invert_some_tones(some, chance, (0.3, 0.9)))

    def _degrade(self, images: Tensor, chance: Chance) -> None:
        settings = self.settings
        factor = chance.choose(settings.coarseness)  # one for all: scaled images share a size
        _apply(images, chance, settings.blurred, lambda some: degrade.blur(some, chance, settings.blur))
        _apply(images, chance, settings.coarse, lambda some: degrade.lower_resolution(some, factor))
        _apply(images, chance, settings.noisy, lambda some: degrade.noise(some, chance, settings.noise))
        _apply(images, chance, settings.recompressed, lambda some: _recompress(some, chance, settings.quality))


def _apply(images: Tensor, chance: Chance, share: float, change: Callable[[Tensor], Tensor]) -> None:
    """Change a random share of the images in place."""
    chosen = chance.some(len(images), share)
    if len(chosen):
        images[chosen] = change(images[chosen])


def _recompress(images: Tensor, chance: Chance, quality: Range) -> Tensor:
    return jpeg.recompress(images, chance.uniform((len(images),), quality))


def _signs(chance: Chance, n: int, share: float) -> Tensor:
    """Minus one for a share of n things, else one."""
    return 1 - 2 * (chance.uniform((n,)) < share).float()
