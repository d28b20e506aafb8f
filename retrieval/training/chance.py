"""The one source of random numbers of a training run: every step draws the same again, wherever it runs on."""

import math
import random
from typing import TypeAlias

import torch
from torch import Tensor

Range: TypeAlias = tuple[float, float]

_PRIME = 1_000_003  # spreads seeds apart, so that step 5 of seed 1 is not step 4 of seed 2


class Chance:
    """Random tensors on a device, all following from a seed and a step's number.

    No number of an earlier step matters, so a run that was killed draws, in the step it goes on with, what it would
    have drawn. CPU and GPU draw different numbers.
    """

    def __init__(self, device: torch.device, seed: int, step: int) -> None:
        self.device = device
        self._generator = torch.Generator(device).manual_seed(seed * _PRIME + step)
        self._scalar = random.Random(seed * _PRIME + step)  # noqa: S311 - nothing here is secret

    def uniform(self, shape: tuple[int, ...], range_: Range = (0.0, 1.0)) -> Tensor:
        """Evenly distributed numbers, float32."""
        low, high = range_
        return torch.rand(shape, generator=self._generator, device=self.device) * (high - low) + low

    def log_uniform(self, shape: tuple[int, ...], range_: Range) -> Tensor:
        """Numbers whose logarithm is evenly distributed: as many between 1 and 2 as between 10 and 20."""
        low, high = range_
        return self.uniform(shape, (math.log(low), math.log(high))).exp()

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        """Normally distributed numbers of mean 0 and deviation 1, float32."""
        return torch.randn(shape, generator=self._generator, device=self.device)

    def integers(self, shape: tuple[int, ...], below: int) -> Tensor:
        """Whole numbers from 0 on, int64."""
        return torch.randint(below, shape, generator=self._generator, device=self.device)

    def order(self, n: int) -> Tensor:
        """The numbers from 0 to n - 1 in a random order."""
        return torch.randperm(n, generator=self._generator, device=self.device)

    def some(self, n: int, share: float) -> Tensor:
        """Which of n things an operation is for: a share of them, on average over many draws.

        How many is drawn on the CPU: a GPU need not be waited for, which asking a mask for its members would do.
        """
        return self.order(n)[: int(n * share + self._scalar.random())]

    def choose(self, range_: Range) -> float:
        """One evenly distributed number, on the CPU: for what a whole batch has in common."""
        return self._scalar.uniform(*range_)
