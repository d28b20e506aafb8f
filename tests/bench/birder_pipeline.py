"""birder's own way through a folder of photos, as its `predict` command goes; run by speed.py in birder's environment.

    python birder_pipeline.py FOLDER NETWORK SIZE WORKERS

Random weights; prints {"photos", "elapsed_s"} as JSON, without imports and the making of the network.
"""

import json
import sys
import time

import torch
from birder.data.datasets.directory import make_image_dataset
from birder.data.transforms.classification import inference_preset
from birder.inference.classification import infer_dataloader
from birder.model_registry import registry
from torch.utils.data import DataLoader


def main() -> None:
    folder, name, side, workers = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    size = (side, side)
    network = registry.net_factory(name, 735, size=size).eval()
    stats = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}
    dataset = make_image_dataset([folder], {}, transforms=inference_preset(size, stats, 1.0))
    begun = time.perf_counter()
    loader = DataLoader(dataset, batch_size=8, num_workers=workers)
    with torch.inference_mode():
        infer_dataloader(torch.device("cpu"), network, loader, return_embedding=True)
    print(json.dumps({"photos": len(dataset), "elapsed_s": time.perf_counter() - begun}))


if __name__ == "__main__":
    main()
