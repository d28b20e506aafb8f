"""How good an embedding is, by photos never learnt from: is the nearest other photo of the same species or not.

This only measures; nothing that it finds leads the training.
"""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name the whole field uses
from PIL import Image
from torch import Tensor
from torch.func import functional_call

from retrieval.errors import ArchiveError
from retrieval.models.transform import InputTransform
from retrieval.models.vit import VisionTransformer
from retrieval.search import exact
from retrieval.training import bundle
from retrieval.training.pictures import Picture

_BATCH = 50


class Evaluation:
    """Photos in one folder a species, as a network's input, kept on its device."""

    def __init__(self, source: Path, transform: InputTransform, device: torch.device) -> None:
        """Read a folder with a subfolder for each species, or a bundle of one; raises ArchiveError."""
        pictures = bundle.load([source], sift=False)
        self.species = np.array([PurePosixPath(picture.name).parent.name for picture in pictures])
        if len(set(self.species)) < 2:
            raise ArchiveError(f"{source} has no subfolders of species to compare")
        self._images = torch.stack([_fitted(picture, transform) for picture in pictures]).to(device)
        self._mean, self._std = (
            torch.tensor(values, device=device).view(3, 1, 1) for values in (transform.mean, transform.std)
        )

    @torch.no_grad()
    def accuracy(self, network: VisionTransformer, weights: Mapping[str, Tensor] | None = None) -> float:
        """The share of photos whose nearest other photo is of their species; `weights` stand in for the network's."""
        given = dict(network.state_dict() if weights is None else weights)
        features = []
        for images in torch.split(self._images, _BATCH):
            normalised = (images.float() / 255 - self._mean) / self._std
            features.append(functional_call(network, given, (normalised,))[0].float())
        vectors = F.normalize(torch.cat(features)).cpu().numpy()
        _, nearest = exact.search(vectors, vectors, 2)
        own = np.arange(len(vectors))
        others = np.where(nearest[:, 0] == own, nearest[:, 1], nearest[:, 0])
        return float(np.mean(self.species[others] == self.species))


def _fitted(picture: Picture, transform: InputTransform) -> Tensor:
    """As photos are embedded: straight to the input's size by Pillow's bicubic filter."""
    image = Image.fromarray(picture.pixels).resize((transform.width, transform.height), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)
