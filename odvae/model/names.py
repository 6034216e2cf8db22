"""Tensor names of the formats we read, mapped onto ours (SD-VAE's CompVis names).

official   a causal convolution at path P stores ``P.conv.weight`` (5-D); ours stores ``P.weight``.
diffusers  ``AutoencoderKL``; attention projections are linear, (C, C) instead of (C, C, 1, 1).
"""

import re
from collections.abc import Mapping

from torch import Tensor

# diffusers' path -> CompVis' path; levels of the decoder are counted from the other end.
_DIFFUSERS_PATHS: list[tuple[str, str]] = [
    (r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2"),
    (r"down_blocks\.(\d)\.downsamplers\.0\.conv", r"down.\1.downsample.conv"),
    (r"mid_block\.resnets\.0", "mid.block_1"),
    (r"mid_block\.resnets\.1", "mid.block_2"),
    (r"mid_block\.attentions\.0\.group_norm", "mid.attn_1.norm"),
    (r"mid_block\.attentions\.0\.(?:to_q|query)\b", "mid.attn_1.q"),
    (r"mid_block\.attentions\.0\.(?:to_k|key)\b", "mid.attn_1.k"),
    (r"mid_block\.attentions\.0\.(?:to_v|value)\b", "mid.attn_1.v"),
    (r"mid_block\.attentions\.0\.(?:to_out\.0|proj_attn)\b", "mid.attn_1.proj_out"),
    (r"conv_norm_out", "norm_out"),
    (r"conv_shortcut", "nin_shortcut"),
]
_UP_BLOCK = re.compile(r"up_blocks\.(\d)\.(resnets|upsamplers)\.(\d)(\.conv\b)?")
_DIFFUSERS_MARK = re.compile(r"(encoder\.down_blocks|decoder\.up_blocks)\.")


def from_official_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Official names to ours; shapes stay. The level ``.conv`` marks 5-D kernels only."""
    causal = {
        name.removesuffix(".weight")
        for name, tensor in state.items()
        if name.endswith(".conv.weight") and tensor.ndim == 5
    }
    ours = {}
    for name, tensor in state.items():
        path, _, leaf = name.rpartition(".")
        ours[f"{path.removesuffix('.conv')}.{leaf}" if path in causal else name] = tensor
    return ours


def to_compvis_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A 2D image VAE's state dict in CompVis or diffusers names, to CompVis names and 4-D convs."""
    if not any(_DIFFUSERS_MARK.match(name) for name in state):
        return dict(state)
    renamed = {}
    for name, tensor in state.items():
        compvis = _compvis_name(name)
        is_projection = ".attn_1." in compvis and tensor.ndim == 2
        renamed[compvis] = tensor[:, :, None, None] if is_projection else tensor
    return renamed


def _compvis_name(name: str) -> str:
    name = _UP_BLOCK.sub(_compvis_up_block, name)
    for pattern, replacement in _DIFFUSERS_PATHS:
        name = re.sub(pattern, replacement, name)
    return name


def _compvis_up_block(match: re.Match[str]) -> str:
    level = 3 - int(match[1])
    if match[2] == "resnets":
        return f"up.{level}.block.{match[3]}{match[4] or ''}"
    return f"up.{level}.upsample.conv"
