"""Tensor names of the formats we read and write, mapped onto ours (SD-VAE's CompVis names).

official   a causal convolution at path P stores ``P.conv.weight`` (5-D); ours stores ``P.weight``.
diffusers  ``AutoencoderKL``; attention projections are linear, (C, C) instead of (C, C, 1, 1).
"""

import re
from collections.abc import Mapping

from torch import Tensor

_LAST_LEVEL = 3  # diffusers counts the decoder's levels from the other end: {up} is 3 - {up} there
# CompVis' path inside a coder, diffusers' path.
_PATHS: list[tuple[str, str]] = [
    (
        "down.{level}.block.{block}.nin_shortcut",
        "down_blocks.{level}.resnets.{block}.conv_shortcut",
    ),
    ("down.{level}.block.{block}", "down_blocks.{level}.resnets.{block}"),
    ("down.{level}.downsample.conv", "down_blocks.{level}.downsamplers.0.conv"),
    ("up.{up}.block.{block}.nin_shortcut", "up_blocks.{up}.resnets.{block}.conv_shortcut"),
    ("up.{up}.block.{block}", "up_blocks.{up}.resnets.{block}"),
    ("up.{up}.upsample.conv", "up_blocks.{up}.upsamplers.0.conv"),
    ("mid.block_1", "mid_block.resnets.0"),
    ("mid.block_2", "mid_block.resnets.1"),
    ("mid.attn_1.norm", "mid_block.attentions.0.group_norm"),
    ("mid.attn_1.q", "mid_block.attentions.0.to_q"),
    ("mid.attn_1.k", "mid_block.attentions.0.to_k"),
    ("mid.attn_1.v", "mid_block.attentions.0.to_v"),
    ("mid.attn_1.proj_out", "mid_block.attentions.0.to_out.0"),
    ("norm_out", "conv_norm_out"),
]
# What diffusers' first published weights call the projections.
_OLD_PATHS: list[tuple[str, str]] = [
    ("mid.attn_1.q", "mid_block.attentions.0.query"),
    ("mid.attn_1.k", "mid_block.attentions.0.key"),
    ("mid.attn_1.v", "mid_block.attentions.0.value"),
    ("mid.attn_1.proj_out", "mid_block.attentions.0.proj_attn"),
]
_FROM_DIFFUSERS = [(diffusers, compvis) for compvis, diffusers in _PATHS + _OLD_PATHS]
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


def to_official_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our names to the official ones; shapes stay. The inverse of ``from_official_names``."""
    causal = {
        name.removesuffix(".weight")
        for name, tensor in tensors.items()
        if name.endswith(".weight") and tensor.ndim == 5
    }
    official = {}
    for name, tensor in tensors.items():
        path, _, leaf = name.rpartition(".")
        official[f"{path}.conv.{leaf}" if path in causal else name] = tensor
    return official


def to_image_shapes(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """An image VAE's tensors in our shapes to CompVis': kernels without their extent of 1 in time.

    Names are the same.
    """
    return {name: t.squeeze(2) if t.ndim == 5 else t for name, t in tensors.items()}


def is_diffusers(state: Mapping[str, Tensor]) -> bool:
    """Whether the names are those of diffusers' image VAE."""
    return any(_DIFFUSERS_MARK.match(name) for name in state)


def to_compvis_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A 2D image VAE's state dict in CompVis or diffusers names, to CompVis names and 4-D convs."""
    if not is_diffusers(state):
        return dict(state)
    renamed = {}
    for name, tensor in state.items():
        compvis = _renamed(name, _FROM_DIFFUSERS)
        is_projection = ".attn_1." in compvis and tensor.ndim == 2
        renamed[compvis] = tensor[:, :, None, None] if is_projection else tensor
    return renamed


def to_diffusers_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """CompVis names and 4-D convs of a 2D image VAE to diffusers' names and linear projections."""
    renamed = {}
    for name, tensor in state.items():
        is_projection = ".attn_1." in name and tensor.ndim == 4
        renamed[_renamed(name, _PATHS)] = tensor[:, :, 0, 0] if is_projection else tensor
    return renamed


def _renamed(name: str, paths: list[tuple[str, str]]) -> str:
    coder, _, path = name.partition(".")
    for source, target in paths:
        match = re.match(_pattern(source), path)
        if match:
            numbers = match.groupdict()
            if "up" in numbers:
                numbers["up"] = str(_LAST_LEVEL - int(numbers["up"]))
            return f"{coder}.{target.format(**numbers)}{path[match.end() :]}"
    return name


def _pattern(path: str) -> str:
    """Of whole parts of a name; ``{level}`` stands for a number."""
    return re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>\\d+)", re.escape(path)) + r"(?=\.)"
