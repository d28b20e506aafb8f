"""A small classifier in the form of the species teacher: mean colour, one linear layer, softmax."""

from pathlib import Path

import numpy as np

SIZE, CLASSES = 32, 5
WEIGHT = np.random.default_rng(0).normal(size=(3, CLASSES)).astype(np.float32)
LABELS = "".join(f"{number} Genus {letter} ({letter})\n" for number, letter in enumerate("ABCD")) + "4 background\n"


def write_teacher(path: Path, *, softmax: bool = True) -> Path:
    """Write it as a graph that OpenVINO reads, .xml."""
    from retrieval.engines.openvino.without_telemetry import openvino, opset13

    images = opset13.parameter([1, SIZE, SIZE, 3], openvino.Type.u8, name="images")
    means = opset13.reduce_mean(opset13.convert(images, "f32"), np.array([1, 2])) / np.array(255, np.float32)
    logits = opset13.matmul(means, WEIGHT, False, False) + np.full((1, CLASSES), 0.5, np.float32)
    output = opset13.softmax(logits, 1) if softmax else logits
    openvino.save_model(openvino.Model([output.output(0)], [images], "birds"), path, compress_to_fp16=False)
    return path
