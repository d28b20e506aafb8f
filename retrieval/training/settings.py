"""Every setting of a training run in one place; what each means stands where it is used."""

from dataclasses import dataclass, field

from retrieval.training.losses import LossWeights
from retrieval.training.optimiser import OptimiserSettings
from retrieval.training.plan import PlanSettings
from retrieval.training.views import ViewSettings


@dataclass(frozen=True, slots=True)
class Settings:
    """How a student is made. What a run was begun with, it has to go on with, but for the batch."""

    registers: int = 4  # as the flagship has; arXiv 2309.16588
    image_size: int = 224  # pixels: DeiT-tiny falls from 0.65 to 0.48 on birds when run at 160
    # Few views a step suit a CPU: the number of steps is what it is short of. A GPU needs hundreds to be busy.
    batch: int = 8
    seed: int = 0
    edited: float = 0.2  # share of the views whose edited version is learnt too, in the second stage
    average_over: float = 0.02  # of the steps so far, which the average of the weights reaches back
    resume_steps: int = 20  # over which the rate rises again where a run goes on: momenta are not kept
    plan: PlanSettings = field(default_factory=PlanSettings)
    optimiser: OptimiserSettings = field(default_factory=OptimiserSettings)
    losses: LossWeights = field(default_factory=LossWeights)
    views: ViewSettings = field(default_factory=ViewSettings)
