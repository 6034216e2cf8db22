"""The other direction of the renaming: CompVis names of a 2D image VAE to diffusers' names."""

import re
from collections.abc import Mapping

from torch import Tensor

LAST_LEVEL = 3
CURRENT_PROJECTIONS = {"q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}
OLD_PROJECTIONS = {"q": "query", "k": "key", "v": "value", "proj_out": "proj_attn"}


def to_diffusers_names(state: Mapping[str, Tensor], *, old: bool = False) -> dict[str, Tensor]:
    """Names of ``AutoencoderKL``; its attention projections are linear layers, (C, C).

    ``old`` gives the names of the attention that its first published weights carry.
    """
    renamed = {}
    for name, tensor in state.items():
        is_projection = ".attn_1." in name and tensor.ndim == 4
        value = tensor[:, :, 0, 0] if is_projection else tensor
        renamed[_diffusers_name(name, OLD_PROJECTIONS if old else CURRENT_PROJECTIONS)] = value
    return renamed


def _diffusers_name(name: str, projections: Mapping[str, str]) -> str:
    coder, _, rest = name.partition(".")
    parts = rest.split(".")
    match parts:
        case ["down", level, "block", block, *leaf]:
            parts = ["down_blocks", level, "resnets", block, *leaf]
        case ["down", level, "downsample", *leaf]:
            parts = ["down_blocks", level, "downsamplers", "0", *leaf]
        case ["up", level, "block", block, *leaf]:
            parts = ["up_blocks", str(LAST_LEVEL - int(level)), "resnets", block, *leaf]
        case ["up", level, "upsample", *leaf]:
            parts = ["up_blocks", str(LAST_LEVEL - int(level)), "upsamplers", "0", *leaf]
        case ["mid", "attn_1", "norm", leaf_name]:
            parts = ["mid_block", "attentions", "0", "group_norm", leaf_name]
        case ["mid", "attn_1", layer, leaf_name]:
            parts = ["mid_block", "attentions", "0", projections[layer], leaf_name]
        case ["mid", block, *leaf]:
            parts = ["mid_block", "resnets", str(int(block.removeprefix("block_")) - 1), *leaf]
    joined = ".".join([coder, *parts]).replace("nin_shortcut", "conv_shortcut")
    return re.sub(r"\bnorm_out\b", "conv_norm_out", joined)
