"""A network compiled by torch: when that pays for itself, and how it is done."""

import copy

import torch

from retrieval.models.vit import VisionTransformer

# Compiling takes a CUDA device tens of seconds, in which it could embed tens of thousands of photos, and saves at best
# the time of what lies between the matrix products. Estimated, not measured: `tests/bench/gpu.py` prints both.
COMPILE_FROM = 250_000  # photos


def worthwhile(device: str, images: int) -> bool:
    """Whether compiling pays for so many images: on CUDA, for a great many."""
    return torch.device(device).type == "cuda" and images >= COMPILE_FROM


def compiled(network: VisionTransformer) -> VisionTransformer:
    """The same network on the same weights, what lies between the matrix products of its blocks fused.

    Nothing is compiled before the first run, and then one block for all of them. The last block stays as it is: it
    computes one token, as code of its own.
    """
    twin = copy.deepcopy(network, {id(tensor): tensor for tensor in network.parameters()})
    *blocks, _last = twin.encoder.block
    for block in blocks:
        block.compile(dynamic=False)  # one size of batches; the caller has the plain network for others
    return twin
