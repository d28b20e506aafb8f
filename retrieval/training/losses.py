"""What the student is judged by: first block by block on the teacher's own activations, then from end to end."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the name the whole field uses
from torch import Tensor

from retrieval.models.vit import VisionTransformer
from retrieval.training.trace import Trace, stem, trace


@dataclass(frozen=True, slots=True)
class LossWeights:
    """How much each part counts. Parts are of like size where learning begins, so weights are near 1."""

    class_token: float = 0.5  # one token in two hundred, but the one that search compares in the end
    logits: float = 0.3
    features: float = 2.0  # end to end: the class token after the norm, by direction and by value
    patches: float = 0.5
    blocks: float = 1.0  # end to end at first; they fade to nothing: the way is a help, the end is the goal
    edits: float = 0.5
    temperature: float = 2.0  # softens logits: what the teacher finds second and third best teaches too


@dataclass(frozen=True, slots=True, eq=False)
class Losses:
    """The loss of one batch: the sum to minimise, and what it is made of. Nothing here waits for a GPU."""

    total: Tensor
    parts: dict[str, Tensor]  # scalars, unweighted
    blocks: Tensor  # (1 + blocks,): relative error over the patches of the stem and of each block


def relative_error(found: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Squared error of tokens (n, 1 + patches, width) over their squared size: of the patches, of the class token."""
    found, wanted = found.float(), wanted.float()
    error, size = (found - wanted).square().sum(dim=(0, 2)), wanted.square().sum(dim=(0, 2))  # (1 + patches,)
    return error[1:].sum() / size[1:].sum(), error[0] / size[0]


def block_by_block(
    student: VisionTransformer, seen: Trace, images: Tensor, weights: LossWeights, kept: Tensor | None = None
) -> Losses:
    """Every part of the student on what the teacher had before its own: nothing waits until what precedes it is good.

    A block is judged by what it adds to the tokens it is given, for that is what it computes. Registers, which the
    teacher lacks, run on from block to block as they will in the whole network, and learn to be of use.
    """
    assert student.classifier is not None
    count = student.config.registers
    tokens = stem(student, images, kept)
    errors = [relative_error(tokens[:, count:], seen.steps[0])]
    registers = tokens[:, :count]
    for block, before, after in zip(student.encoder.block, seen.steps, seen.steps[1:], strict=False):
        out = block(torch.cat([registers, before.to(registers.dtype)], dim=1))
        registers = out[:, :count]
        errors.append(relative_error(out[:, count:] - before, after - before))
    normed = student.norm(seen.steps[-1])
    errors.append(relative_error(normed, seen.tokens))
    logits = _logits_error(student.classifier(seen.features), seen.logits)
    patches, class_token = (torch.stack(kind) for kind in zip(*errors, strict=True))
    total = patches.sum() + weights.class_token * class_token.sum() + weights.logits * logits
    parts = {"patches": patches.mean(), "class_token": class_token.mean(), "logits": logits}
    return Losses(total, _detached(parts), patches[:-1].detach())


def end_to_end(
    student: VisionTransformer,
    seen: Trace,
    images: Tensor,
    edited: Tensor,
    originals: Tensor,
    weights: LossWeights,
    fading: float,
) -> Losses:
    """The student as it will be used, against the teacher on the same images (n, 3, height, width).

    `edited` (k, 3, height, width) are edits of the images `originals` (k,), and ought to look as these do to the
    teacher. `fading` is what is left of the blocks' weight, 1 to 0.
    """
    own = trace(student, images)
    patches, _ = relative_error(own.tokens, seen.tokens)
    errors = [relative_error(a, b) for a, b in zip(own.steps, seen.steps, strict=True)]
    blocks, class_tokens = (torch.stack(kind) for kind in zip(*errors, strict=True))
    parts = {
        "features": features_error(own.features, seen.features),
        "patches": patches,
        "blocks": blocks.mean() + weights.class_token * class_tokens.mean(),
        "logits": divergence(own.logits, seen.logits, weights.temperature),
        "edits": features_error(student(edited)[0], seen.features[originals]) if len(originals) else patches * 0,
    }
    total = (
        weights.features * parts["features"]
        + weights.patches * parts["patches"]
        + weights.blocks * fading * parts["blocks"]
        + weights.logits * parts["logits"]
        + weights.edits * parts["edits"]
    )
    return Losses(total, _detached(parts), blocks.detach())


def features_error(found: Tensor, wanted: Tensor) -> Tensor:
    """By direction, which search compares, and by value, which the head needs beside."""
    found, wanted = found.float(), wanted.float()
    direction = 1 - F.cosine_similarity(found, wanted).mean()
    return direction + F.smooth_l1_loss(found, wanted) / wanted.square().mean()


def _logits_error(found: Tensor, wanted: Tensor) -> Tensor:
    """Squared error over the variance: 1 for a head that only knows the mean."""
    found, wanted = found.float(), wanted.float()
    return F.mse_loss(found, wanted) / wanted.var()


def divergence(found: Tensor, wanted: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence of softened probabilities, scaled as in arXiv 1503.02531."""
    found, wanted = (torch.log_softmax(logits.float() / temperature, dim=1) for logits in (found, wanted))
    return F.kl_div(found, wanted, reduction="batchmean", log_target=True) * temperature**2


def _detached(parts: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in parts.items()}
