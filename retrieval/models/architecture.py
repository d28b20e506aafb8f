"""From the tensors and options of a checkpoint to the sizes of its network, or why it is another network.

Reasons are raised as CheckpointError without the file's name, which `checkpoint` adds.
"""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from retrieval.errors import CheckpointError
from retrieval.models.vit import LAYER_NORM_EPSILON, VisionTransformer, VitConfig

_LEGACY_SPELLING = (  # birder 0.1.0 and before, and since 0.2
    (".ln1.", ".norm1."),
    (".ln2.", ".norm2."),
    (".self_attention.in_proj_", ".attn.qkv."),
    (".self_attention.out_proj.", ".attn.proj."),
)
_KNOWN_NAME = re.compile(
    r"class_token|reg_tokens|pos_embedding"
    r"|(conv_proj|norm|classifier|encoder\.block\.\d+\.(norm[12]|attn\.(qkv|proj)|mlp\.[03]))\.(weight|bias)"
)
# birder networks whose tensors have the very names and shapes of a plain ViT's, but are put to another use
# (rotary positions, windows, another pooling). Only the file's name says so: it begins with the network's.
_LOOKALIKE = re.compile(r"rope_|naflex_|flexivit|simple_vit|vit_windowed")
# No tensor tells the number of heads. 64 wide each is the rule (arXiv 2010.11929), but networks of these
# widths have 16: ViT-H (2010.11929), g, G (2106.04560), e (2209.06794), SoViT (2305.13035; 896 in birder).
_WIDTHS_WITH_16_HEADS = frozenset({896, 1152, 1280, 1408, 1664, 1792})
_OPTIONS: dict[str, tuple[object, ...]] = {  # of a file's `config`: what this network does
    "abs_pos_embed": (True,),
    "act_layer_type": (None, "gelu"),
    "attn_norm": (False,),
    "attn_pool_head": (False,),
    "layer_scale_init_value": (None,),
    "mlp_layer_type": ("FFN",),
    "norm_after_pool": (False,),
    "norm_layer_eps": (LAYER_NORM_EPSILON,),
    "norm_layer_type": ("LayerNorm",),
    "pos_embed_interpolation_mode": ("bicubic",),
    "pos_embed_special_tokens": (True,),
    "post_norm": (True,),
    "pre_norm": (False,),
    "qk_norm": (False,),
    "qkv_bias": (True,),
    "stem_type": ("patchify",),
}
_WITHOUT_EFFECT = frozenset(  # on what a trained network answers
    {
        "attention_dropout",
        "drop_path_rate",
        "drop_path_uniform",
        "dropout",
        "out_indices",
        "pos_embed_antialias",
        "projection_dropout",
    }
)


def refuse_lookalikes(file_name: str) -> None:
    """Raise CheckpointError if the name is that of a network which only its name tells from a plain ViT."""
    if _LOOKALIKE.match(file_name):
        raise CheckpointError("by its name it is another kind of network, whose weights only look like a plain ViT's")


def modern_spelling(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under the names of today. Raises CheckpointError if two come to have one name."""
    renamed = {_modern_name(name): tensor for name, tensor in tensors.items()}
    if len(renamed) < len(tensors):
        raise CheckpointError("it holds some layers twice, in the old and the new spelling")
    return renamed


def _modern_name(name: str) -> str:
    if name.startswith("encoder.block."):
        for old, new in _LEGACY_SPELLING:
            name = name.replace(old, new)
    return name


def config_of(tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> VitConfig:
    """The sizes of the network that these tensors, in modern spelling, are the whole of.

    Raises CheckpointError if there are more, fewer or other tensors than such a network has, or if the file's
    own `signature` and `config` contradict them.
    """
    foreign = [name for name in tensors if not _KNOWN_NAME.fullmatch(name)]
    if foreign:
        raise CheckpointError(f"it has layers that a plain ViT does not have: {_first_few(foreign)}")
    options = metadata.get("config") or {}
    if not isinstance(options, Mapping):
        raise CheckpointError("its 'config' is not a table of options")
    config = _from_shapes(tensors, metadata, options)
    _check_options(options, config)
    _check_tensors(tensors, config)
    return config


def _from_shapes(tensors: Mapping[str, Tensor], metadata: Mapping[str, Any], options: Mapping[str, Any]) -> VitConfig:
    width, channels, patch, patch_columns = _shape(tensors, "conv_proj.weight", 4)
    if channels != 3 or patch != patch_columns:
        raise CheckpointError(f"it takes {channels}-channel patches of {patch}x{patch_columns}, not square RGB ones")
    registers = _shape(tensors, "reg_tokens", 3)[1] if "reg_tokens" in tensors else 0
    class_token = "class_token" in tensors
    patches = _shape(tensors, "pos_embedding", 3)[1] - registers - class_token
    return VitConfig(
        image_size=_image_size(metadata.get("signature"), patch, patches),
        patch_size=patch,
        width=width,
        blocks=len({name.split(".")[2] for name in tensors if name.startswith("encoder.block.")}),
        heads=_heads(width, options),
        mlp_width=_shape(tensors, "encoder.block.0.mlp.0.weight", 2)[0],
        registers=registers,
        class_token=class_token,
        classes=_shape(tensors, "classifier.weight", 2)[0] if "classifier.weight" in tensors else 0,
    )


def _shape(tensors: Mapping[str, Tensor], name: str, dimensions: int) -> tuple[int, ...]:
    if name not in tensors:
        raise CheckpointError(f"it has no '{name}', so it is not a ViT of this family")
    shape = tuple(tensors[name].shape)
    if len(shape) != dimensions or 0 in shape:
        raise CheckpointError(f"its '{name}' has the shape {shape}, not {dimensions} sizes")
    return shape


def _image_size(signature: object, patch: int, patches: int) -> tuple[int, int]:
    """The (height, width) that the file states, or the square that its position table spans."""
    if signature is None:
        side = math.isqrt(max(patches, 0))
        if side * side != patches or not patches:
            raise CheckpointError(f"it does not state its input size, and {patches} patches are not a square")
        return side * patch, side * patch
    match signature:
        case {"inputs": [{"data_shape": [_, 3, int(height), int(width)]}, *_]}:
            pass
        case _:
            raise CheckpointError("its 'signature' does not state an RGB input size")
    if height < patch or width < patch or height % patch or width % patch:
        raise CheckpointError(f"its input of {height}x{width} pixels does not divide into patches of {patch}")
    if height // patch * (width // patch) != patches:
        raise CheckpointError(
            f"its position table has room for {patches} patches beside the special tokens, "
            f"but {height}x{width} pixels in patches of {patch} are {height // patch * (width // patch)}"
        )
    return height, width


def _heads(width: int, options: Mapping[str, Any]) -> int:
    heads = options.get("num_heads", 16 if width in _WIDTHS_WITH_16_HEADS else width // 64)
    if not isinstance(heads, int) or heads < 1 or width % heads or ("num_heads" not in options and width % 64):
        raise CheckpointError(
            f"its width of {width} does not tell the number of attention heads, nor does its 'config'"
        )
    return heads


def sizes(config: VitConfig) -> dict[str, object]:
    """The sizes of a network under the names that a file's `config` gives them."""
    return {
        "hidden_dim": config.width,
        "num_heads": config.heads,
        "mlp_dim": config.mlp_width,
        "num_layers": config.blocks,
        "num_reg_tokens": config.registers,
        "patch_size": config.patch_size,
        "class_token": config.class_token,
    }


def _check_options(options: Mapping[str, Any], config: VitConfig) -> None:
    expected = _OPTIONS | {name: (size,) for name, size in sizes(config).items()}
    for name, value in options.items():
        if name in expected and value not in expected[name]:
            raise CheckpointError(f"its option {name} = {value!r} is not that of the network its tensors make up")
        if name not in expected and name not in _WITHOUT_EFFECT and value:
            raise CheckpointError(f"its option {name} = {value!r} is not known here, and may change what it answers")


def _check_tensors(tensors: Mapping[str, Tensor], config: VitConfig) -> None:
    with torch.device("meta"):
        expected = {name: tensor.shape for name, tensor in VisionTransformer(config).state_dict().items()}
    if missing := [name for name in expected if name not in tensors]:
        raise CheckpointError(f"it lacks layers of a plain ViT: {_first_few(missing)}")
    if more := [name for name in tensors if name not in expected]:
        raise CheckpointError(f"it has layers that a plain ViT of its size does not have: {_first_few(more)}")
    for name, shape in expected.items():
        if tensors[name].shape != shape:
            found, wanted = tuple(tensors[name].shape), tuple(shape)
            raise CheckpointError(f"its '{name}' has the shape {found}, which must be {wanted} beside the others")


def _first_few(names: Iterable[str], count: int = 3) -> str:
    names = list(names)
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more
