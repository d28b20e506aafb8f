"""One step of learning after another; how many, and what is kept of them, is `run`'s."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name the whole field uses
from numpy.typing import NDArray
from torch import Tensor

from retrieval.errors import CheckpointError
from retrieval.models.checkpoint import Checkpoint
from retrieval.models.vit import VisionTransformer
from retrieval.training import edits
from retrieval.training.atlas import Atlas
from retrieval.training.chance import Chance
from retrieval.training.losses import Losses, block_by_block, end_to_end
from retrieval.training.optimiser import Average, Optimiser
from retrieval.training.plan import Moment, Stage, moment
from retrieval.training.settings import Settings
from retrieval.training.state import Origin, Position, State
from retrieval.training.student import random_student, student_config
from retrieval.training.trace import Trace, resampled, trace
from retrieval.training.views import Views


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What one step did."""

    moment: Moment
    losses: Losses
    gradient: Tensor  # its length, before it was cut


class Trainer:
    """Teacher, student and pictures on one device."""

    def __init__(
        self,
        teacher: Checkpoint,
        teacher_sha256: str,
        pictures: Sequence[NDArray[np.uint8]],
        settings: Settings,
        *,
        device: str = "cpu",
        reduced: bool = False,
        compiled: bool = False,
    ) -> None:
        """Begin a run: `pictures` are RGB, (height, width, 3), of any sizes.

        `reduced` computes matrix products in bfloat16; `compiled` has torch generate fused code for the blocks, which
        takes a minute at first. Raises CheckpointError where this teacher cannot be learnt from.
        """
        self.settings = settings
        self.device = torch.device(device)
        self.reduced = reduced
        config = student_config(teacher.config, registers=settings.registers, image_size=settings.image_size)
        transform = replace(teacher.transform, height=settings.image_size, width=settings.image_size)
        self.origin = Origin(teacher_sha256, config, transform, teacher.labels, len(pictures))
        self.position = Position()
        self.teacher = teacher.network().to(self.device)
        self.student = random_student(config, settings.seed).to(self.device)
        self.optimiser = Optimiser(self.student, settings.optimiser)
        self.average = Average(self.student.state_dict())
        self.views = Views(Atlas(pictures, self.device), settings.views, teacher.config.image_size[0])
        self._mean, self._std = (
            torch.tensor(values, device=self.device).view(3, 1, 1) for values in (transform.mean, transform.std)
        )
        self._steps_here = 0  # since this process began or went on
        if compiled:
            _compile(self.teacher, self.student)

    def step(self, spent: float) -> Step:
        """Learn from one batch of views, at the moment of the plan when a share of the budget is spent."""
        now = moment(self.settings.plan, spent)
        chance = Chance(self.device, self.settings.seed, self.position.steps)
        with torch.no_grad():
            views = self.views.draw(self.settings.batch, chance)
            originals = chance.some(len(views), self.settings.edited if now.stage is Stage.WHOLE else 0)
            edited = edits.edit(views[originals], chance)
            kept = self._kept(now.kept, chance)
        with self._arithmetic():
            losses = self._losses(now, views, edited, originals, kept)
        gradient = self.optimiser.step(losses.total, now.rate * self._resumption())
        self._advance()
        return Step(now, losses, gradient)

    def _kept(self, share: float, chance: Chance) -> Tensor | None:
        """Which patches are looked at; all of them where teacher and student cut images differently."""
        grid = self.student.config.grid
        if share == 1 or grid != self.teacher.config.grid:
            return None
        patches = grid[0] * grid[1]
        return chance.order(patches)[: max(1, round(share * patches))]

    def _losses(self, now: Moment, views: Tensor, edited: Tensor, originals: Tensor, kept: Tensor | None) -> Losses:
        with torch.no_grad():
            seen = self._seen(views, kept)
        images, weights = self._input(views), self.settings.losses
        if now.stage is Stage.BLOCKS:
            return block_by_block(self.student, seen, images, weights, kept)
        return end_to_end(self.student, seen, images, self._input(edited), originals, weights, now.fading)

    def _seen(self, views: Tensor, kept: Tensor | None) -> Trace:
        """What the teacher makes of views, on the student's grid of patches."""
        seen = trace(self.teacher, (views - self._mean) / self._std, kept)
        return resampled(seen, self.teacher.config.grid, self.student.config.grid)

    def _input(self, views: Tensor) -> Tensor:
        size = self.student.config.image_size
        if size != tuple(views.shape[2:]):
            views = F.interpolate(views, size=size, mode="bicubic", antialias=True).clamp_(0, 1)
        return (views - self._mean) / self._std

    def _resumption(self) -> float:
        """How much of the rate a run that goes on may use, until its momenta are back."""
        return min(1.0, (self._steps_here + 1) / self.settings.resume_steps)

    def _advance(self) -> None:
        self._steps_here += 1
        self.position.steps += 1
        self.position.views += self.settings.batch
        reach = 1 + self.settings.average_over * self.position.steps  # in steps
        self.average.update(self.student.state_dict(), 1 - 1 / reach)

    def _arithmetic(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.reduced)

    def state(self) -> State:
        """All that another process needs to go on."""
        weights = self.student.state_dict()
        return State(self.origin, self.position, weights, self.average.weights, self.optimiser.memory())

    def restore(self, state: State) -> None:
        """Go on from a state; raises CheckpointError if it is of another teacher, student or set of pictures."""
        if replace(state.origin, pictures=self.origin.pictures) != self.origin:
            raise CheckpointError("the state is of a run with another teacher or student: give another work folder")
        self.position = state.position
        self.student.load_state_dict(state.weights, strict=True)
        for name, value in state.average.items():
            self.average.weights[name].copy_(value)
        self.optimiser.remember(state.memory, state.position.steps)
        self._steps_here = 0


def _compile(*networks: VisionTransformer) -> None:
    """Fuse what lies between the matrix products of each block; names and weights stay as they are."""
    for network in networks:
        for block in network.encoder.block:
            block.compile()
