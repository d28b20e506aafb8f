"""A student of two teachers, learning from a pool of views one step after another; a run of steps is `distil_run`'s."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name the whole field uses
from numpy.typing import NDArray
from torch import Tensor, nn

from retrieval.errors import CheckpointError
from retrieval.models.checkpoint import Checkpoint
from retrieval.models.vit import VisionTransformer, resize_position_table
from retrieval.training.batches import Batches, BatchSettings
from retrieval.training.chance import Chance
from retrieval.training.distil_losses import DistilWeights, Said, Wanted, judge
from retrieval.training.optimiser import Average
from retrieval.training.pool import Pool, Rows
from retrieval.training.state import Origin, Position, State

_CPU = torch.device("cpu")
_TABLE = "network.pos_embedding"


@dataclass(frozen=True, slots=True)
class DistilSettings:
    """How a student is taught. A run can be resumed with others."""

    rate: float = 4e-4  # of Adam, while it is constant
    head_ratio: float = 5.0  # rate of the new maps, which begin at nothing, to that of the network
    layer_decay: float = 0.9  # of the rate, from each block to the one before it (arXiv 2106.08254)
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.02
    max_gradient: float = 3.0  # longer gradients are cut to this length
    warm_up: int = 200  # steps
    resume_steps: int = 50  # over which the rate rises where a run resumes: momenta are not kept
    average_steps: int = 500  # which the average of the weights reaches back, at most
    seed: int = 0
    batches: BatchSettings = field(default_factory=BatchSettings)
    weights: DistilWeights = field(default_factory=DistilWeights)


class Student(nn.Module):
    """The network to be shipped, with what maps its features to the teachers' answers."""

    def __init__(self, network: VisionTransformer, species: int, channels: int) -> None:
        super().__init__()
        width = network.config.width
        self.network = network
        self.species = nn.Linear(width, species)
        self.hints = nn.Linear(width, channels)
        self.features = nn.Linear(width, width)
        nn.init.eye_(self.features.weight)  # the student it begins with has learnt the teacher's features already
        nn.init.zeros_(self.features.bias)
        for layer in (self.species, self.hints):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor, kept: Tensor | None = None) -> Said:
        """What is said of images (n, 3, height, width), of whose patches only those `kept` are looked at."""
        features, general = self.network(images) if kept is None else _of_some(self.network, images, kept)
        return Said(features, self.features(features), self.species(features), self.hints(features), general)


@dataclass(frozen=True, slots=True, eq=False)
class Taught:
    """What one step did."""

    loss: Tensor
    parts: dict[str, Tensor]
    gradient: Tensor  # its length, before it was cut
    rate: float


class Distiller:
    """Student, pool and optimiser."""

    def __init__(
        self, start: Checkpoint, teacher: Checkpoint, pool: Pool, settings: DistilSettings, *, image_size: int
    ) -> None:
        """Begin with a student's checkpoint; raises CheckpointError where it does not fit the teacher or the pool.

        `teacher` is the feature teacher, of which only the last layer is used: the pool has its features.
        """
        if teacher.config.classes != start.config.classes or teacher.config.width != start.config.width:
            raise CheckpointError("the student does not have the feature teacher's classes and width")
        self.settings = settings
        self.pool = pool
        self.batches = Batches(pool, settings.batches)
        self.transform = start.transform
        sample = pool.rows([0])
        torch.manual_seed(settings.seed)
        network = start.resized((image_size, image_size)).network()
        network.load_state_dict({name: value.clone() for name, value in network.state_dict().items()}, assign=True)
        self.student = Student(network, sample.logits.shape[1], sample.hints.shape[1])
        self.student.requires_grad_(True).train()
        self.position = Position()
        self.origin = Origin("+".join(pool.origin.teachers), start.config, start.transform, start.labels,
                             len(pool.origin.pictures))  # fmt: skip
        self._head = (teacher.state["classifier.weight"], teacher.state["classifier.bias"])
        self._hint_mean = torch.from_numpy(_mean_of(pool, "hints"))
        self._mean, self._std = (torch.tensor(v).view(3, 1, 1) for v in (start.transform.mean, start.transform.std))
        self._optimiser = self._new_optimiser()
        self.average = Average(self.student.state_dict())
        self._steps_here = 0  # since this process began or resumed

    @property
    def image_size(self) -> int:
        """Pixels of what the student looks at, height and width."""
        return self.student.network.config.image_size[0]

    @torch.no_grad()
    def fit_maps(self, views: int) -> None:
        """Begin with maps that fit the student's features of so many views, by ridge regression."""
        rows = self.pool.rows(np.linspace(0, len(self.pool) - 1, views).astype(np.int64))
        wanted = self._wanted(rows)
        pixels = torch.split(torch.from_numpy(rows.pixels), self.settings.batches.size)
        seen = [self.student.network(self._normalised(some.float() / 255))[0] for some in pixels]
        features = torch.cat(seen)
        for layer, targets in ((self.student.species, wanted.species), (self.student.hints, wanted.hints)):
            weight, bias = ridge(features, targets)
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
        self.average = Average(self.student.state_dict())

    def _normalised(self, images: Tensor) -> Tensor:
        if images.shape[2] != self.image_size:
            size = (self.image_size, self.image_size)
            images = F.interpolate(images, size=size, mode="bilinear", antialias=True)
        return (images - self._mean) / self._std

    def step(self, cooling: float, kept: float = 1.0) -> Taught:
        """Learn from one batch; `cooling` scales the rate, 1 to 0, and `kept` is the share of patches looked at."""
        chance = Chance(_CPU, self.settings.seed, self.position.steps)
        rows = self.batches.draw(chance)
        images = self._normalised(self.batches.seen(rows.pixels, self.image_size, chance))
        said = self.student(images, _some_patches(self.student.network, kept, chance))
        loss, parts = judge(said, self._wanted(rows), self.settings.weights)
        gradient, rate = self._update(loss, cooling)
        self.position.steps += 1
        self.position.views += len(rows.pixels)
        self._steps_here += 1
        return Taught(loss.detach(), parts, gradient, rate)

    def _wanted(self, rows: Rows) -> Wanted:
        features, species, hints = (torch.from_numpy(a).float() for a in (rows.features, rows.logits, rows.hints))
        weight, bias = self._head
        return Wanted(features, species, hints - self._hint_mean, features @ weight.T + bias)

    def _update(self, loss: Tensor, cooling: float) -> tuple[Tensor, float]:
        settings = self.settings
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        gradient = nn.utils.clip_grad_norm_(self.student.parameters(), settings.max_gradient)
        rise = min((self.position.steps + 1) / settings.warm_up, (self._steps_here + 1) / settings.resume_steps, 1.0)
        rate = settings.rate * rise * cooling
        for group in self._optimiser.param_groups:
            group["lr"] = rate * group["ratio"]
        self._optimiser.step()
        reach = min(settings.average_steps, 1 + self.position.steps / 10)
        self.average.update(self.student.state_dict(), 1 - 1 / reach)
        return gradient, rate

    def _new_optimiser(self) -> torch.optim.AdamW:
        settings = self.settings
        blocks = self.student.network.config.blocks
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in self.student.named_parameters():
            decay = settings.weight_decay if parameter.ndim == 2 else 0.0
            ratio = _ratio(name, blocks, settings)
            groups.setdefault((ratio, decay), []).append(parameter)
        listed = [{"params": p, "ratio": ratio, "weight_decay": decay} for (ratio, decay), p in groups.items()]
        return torch.optim.AdamW(listed, lr=settings.rate, betas=settings.betas, foreach=True)

    def resize(self, image_size: int) -> None:
        """Go on with images of another size: the position table and its average are interpolated."""
        network = self.student.network
        old, new = network.config.grid, replace(network.config, image_size=(image_size, image_size))
        special = new.special_tokens
        with torch.no_grad():
            table = resize_position_table(network.pos_embedding, special, old, new.grid)
        network.pos_embedding = nn.Parameter(table.detach().clone())
        network.config = new
        self.average.weights[_TABLE] = resize_position_table(self.average.weights[_TABLE], special, old, new.grid)
        memory = self._memory()
        memory.pop(_TABLE, None)
        self._optimiser = self._new_optimiser()
        self._remember(memory)

    def state(self) -> State:
        """All that another process needs to go on."""
        return State(self.origin, self.position, self.student.state_dict(), self.average.weights, self._memory())

    def restore(self, state: State) -> None:
        """Go on from a state; raises CheckpointError if it is of another student or other teachers."""
        if replace(state.origin, pictures=self.origin.pictures) != self.origin:
            raise CheckpointError("the state is of a run with another teacher or student: give another work folder")
        config = self.student.network.config
        patches = state.weights[_TABLE].shape[1] - config.special_tokens
        self.resize(math.isqrt(patches) * config.patch_size)
        self.position = state.position
        self.student.load_state_dict(state.weights, strict=True)
        for name, value in state.average.items():
            self.average.weights[name] = value.clone()
        self._remember(state.memory)
        self._steps_here = 0

    def _memory(self) -> dict[str, Tensor]:
        state = self._optimiser.state
        return {n: state[p]["exp_avg_sq"] for n, p in self.student.named_parameters() if p in state}

    def _remember(self, memory: Mapping[str, Tensor]) -> None:
        named = dict(self.student.named_parameters())
        for name, second in memory.items():
            parameter = named[name]
            self._optimiser.state[parameter] = {
                "step": torch.tensor(float(self.position.steps)),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": second.float().clone(),
            }


def _ratio(name: str, blocks: int, settings: DistilSettings) -> float:
    """The rate of a parameter to that of the last block."""
    if not name.startswith("network."):
        return settings.head_ratio
    match name.split("."):
        case ["network", "encoder", "block", number, *_]:
            return round(settings.layer_decay ** (blocks - 1 - int(number)), 6)
        case ["network", "norm" | "classifier", *_]:
            return 1.0
    return round(settings.layer_decay**blocks, 6)


def _of_some(network: VisionTransformer, images: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Features and logits by some of the patches: numbers (k,) from 0 on, row by row."""
    assert network.classifier is not None
    special = network.config.special_tokens
    tokens = network.stem(images)
    tokens = torch.cat([tokens[:, :special], tokens[:, special + kept]], dim=1)
    place = network.config.registers  # the class token's
    features = network.norm(network.encoder(tokens, slice(place, place + 1)))[:, 0]
    return features, network.classifier(features)


def _some_patches(network: VisionTransformer, share: float, chance: Chance) -> Tensor | None:
    if share >= 1:
        return None
    patches = math.prod(network.config.grid)
    return chance.order(patches)[: max(1, round(share * patches))]


def ridge(features: Tensor, targets: Tensor, strength: float = 1e-2) -> tuple[Tensor, Tensor]:
    """Weight (m, d) and bias (m,) of the linear map from features (n, d) to targets (n, m) of least squared error.

    `strength` holds weights small, relative to the mean variance of the features.
    """
    middle, level = features.mean(dim=0), targets.mean(dim=0)
    centred = features - middle
    squares = centred.T @ centred
    squares += strength * squares.diagonal().mean() * torch.eye(len(squares))
    weight = torch.linalg.solve(squares, centred.T @ (targets - level)).T
    return weight, level - weight @ middle


def _mean_of(pool: Pool, name: str) -> NDArray[np.float32]:
    """The mean of one field over the pool's first shard: the same however the pool grows."""
    mean: NDArray[np.float32] = pool.first(name).astype(np.float32).mean(axis=0)
    return mean
