"""How weights follow their gradients: Muon for the blocks' matrices, Adam for all others, and their running average.

Muon (Keller Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024) takes the momentum's
nearest orthogonal matrix as the step, so that every direction of a layer is learnt at one pace. Measured here, block
by block on 1,600 views, it left a relative error of 0.45 where AdamW at its best rate left 0.60.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic Newton-Schulz iteration, by Jordan
_ITERATIONS = 5
_TINY = 1e-7


@dataclass(frozen=True, slots=True)
class OptimiserSettings:
    """Rates are the highest of a stage; the plan scales them."""

    momentum: float = 0.95  # of Muon
    adam_ratio: float = 0.2  # Adam's rate to Muon's
    betas: tuple[float, float] = (0.9, 0.99)  # short memory: the loss changes fast, and noise is small
    max_gradient: float = 5.0  # longer gradients are cut to this length; rare, and nearly always a bad batch


class Optimiser:
    """Steps for the parameters of one network."""

    def __init__(self, network: nn.Module, settings: OptimiserSettings) -> None:
        self.settings = settings
        named = dict(network.named_parameters())
        shapes: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
        for name, parameter in named.items():
            if is_hidden_matrix(name, parameter):
                shapes[parameter.shape].append(parameter)
        self._matrices = list(shapes.values())  # all of one shape step together
        self._momenta = [torch.zeros((len(group), *group[0].shape), device=group[0].device) for group in self._matrices]
        self._others = {name: p for name, p in named.items() if not is_hidden_matrix(name, p)}
        self._parameters = list(named.values())
        self._adam = torch.optim.AdamW(self._others.values(), betas=settings.betas, weight_decay=0.0, foreach=True)

    def step(self, loss: Tensor, rate: float) -> Tensor:
        """Lower a loss at a learning rate; give back the length of its gradient."""
        for parameter in self._parameters:
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        length = nn.utils.clip_grad_norm_(self._parameters, self.settings.max_gradient)
        for group in self._adam.param_groups:
            group["lr"] = rate * self.settings.adam_ratio
        self._adam.step()
        for matrices, momentum in zip(self._matrices, self._momenta, strict=True):
            self._step_matrices(matrices, momentum, rate)
        return length

    @torch.no_grad()
    def _step_matrices(self, matrices: list[nn.Parameter], momentum: Tensor, rate: float) -> None:
        gradients = torch.stack([matrix.grad for matrix in matrices if matrix.grad is not None])
        momentum.lerp_(gradients, 1 - self.settings.momentum)
        direction = orthogonal(gradients.lerp_(momentum, self.settings.momentum))  # Nesterov's
        # As long as Adam's steps usually are, whatever the shape (arXiv 2502.16982): one rate serves both.
        scale = 0.2 * max(momentum.shape[1:]) ** 0.5
        for matrix, step in zip(matrices, direction, strict=True):
            matrix.add_(step, alpha=-rate * scale)

    def memory(self) -> dict[str, Tensor]:
        """Adam's second moments by parameter: what a resumed run cannot win back within a few steps."""
        state = self._adam.state
        return {name: state[p]["exp_avg_sq"] for name, p in self._others.items() if p in state}

    def remember(self, memory: Mapping[str, Tensor], step: int) -> None:
        """Go on from what `memory` gave after a number of steps; momenta begin anew."""
        for name, second in memory.items():
            parameter = self._others[name]
            self._adam.state[parameter] = {
                "step": torch.tensor(float(step)),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": second.to(parameter),
            }


class Average:
    """The exponential moving average of a network's weights: steadier than the weights, and better."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self.weights = {name: value.detach().float().clone() for name, value in weights.items()}

    @torch.no_grad()
    def update(self, weights: Mapping[str, Tensor], decay: float) -> None:
        """Move towards the weights of now."""
        torch._foreach_lerp_(list(self.weights.values()), [weights[name] for name in self.weights], 1 - decay)


def is_hidden_matrix(name: str, parameter: Tensor) -> bool:
    """Whether Muon applies: weights between hidden tokens, neither the image's nor the classes' side."""
    return parameter.ndim == 2 and name.startswith("encoder.block.")


def orthogonal(matrices: Tensor) -> Tensor:
    """Matrices (n, rows, columns) with all singular values moved to about 1, and the same singular vectors."""
    x: Tensor = matrices.bfloat16()
    wide = x.shape[1] <= x.shape[2]
    x = x if wide else x.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + _TINY)
    a, b, c = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    x = x if wide else x.mT
    return x.float()
