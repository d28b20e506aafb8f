"""How a photo becomes a network's input: sizes and statistics alone, without torch."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InputTransform:
    """How an upright RGB photo becomes the network's input: resized to height x width, scaled, normalised."""

    height: int  # pixels
    width: int
    mean: tuple[float, float, float]  # of R, G and B on the scale 0 to 1
    std: tuple[float, float, float]
