"""A small student and its teachers' answers, for the tests of distillation."""

from retrieval.models.checkpoint import Checkpoint
from retrieval.models.transform import InputTransform
from retrieval.models.vit import VitConfig
from retrieval.training.batches import BatchSettings
from retrieval.training.distil import Distiller, DistilSettings
from retrieval.training.pool import Pool
from retrieval.training.student import random_student

CONFIG = VitConfig(
    image_size=(32, 32), patch_size=8, width=16, blocks=2, heads=2, mlp_width=32, registers=1, class_token=True,
    classes=7,
)  # fmt: skip
SETTINGS = DistilSettings(rate=3e-3, warm_up=2, resume_steps=1, batches=BatchSettings(size=8))


def small_checkpoint(seed: int) -> Checkpoint:
    weights = {name: value.detach() for name, value in random_student(CONFIG, seed).state_dict().items()}
    transform = InputTransform(32, 32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    return Checkpoint(CONFIG, tuple("abcdefg"), transform, weights, "general")


def distiller(pool: Pool, settings: DistilSettings = SETTINGS) -> Distiller:
    return Distiller(small_checkpoint(1), small_checkpoint(2), pool, settings, image_size=32)
