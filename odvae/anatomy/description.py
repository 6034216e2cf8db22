"""Everything that the description of a model says, as plain data."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from fractions import Fraction
from functools import cache

import torch
from torch import nn

from odvae.anatomy.memory import MemoryEstimate, estimate
from odvae.anatomy.parts import (
    Clip,
    PartRow,
    decoder_parts,
    empty_clips,
    empty_latents,
    encoder_parts,
    rows,
    stages,
)
from odvae.model import ODVAE, Architecture, VideoVAE
from odvae.model.causality import Frames, Reach, frames_seen, reach, takes_whole_clip_statistics


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What any VAE can tell."""

    kind: str  # its class
    parameters: int
    compression: str  # pixels per latent, TxHxW
    vcpr: int  # the paper's: their product
    clip_lengths: str  # in frames
    latent_channels: int
    scale: tuple[float, ...]  # of latents for diffusion: (z - shift) * scale
    shift: tuple[float, ...]
    input_range: tuple[float, float]  # of pixels, inside the network

    def to_json(self) -> str:
        """All fields."""
        return _json(self)

    def text(self) -> str:
        """For a person, in at most 100 columns."""
        from odvae.anatomy.rendering import summary_text

        return summary_text(self)


@dataclass(frozen=True, kw_only=True)
class Sees:
    """An output frame, or several alike, and the input frames it depends on; ends included."""

    outputs: Frames
    own: Frames  # the input frames that belong to them
    seen: Frames  # norms over the whole clip left aside


@dataclass(frozen=True, kw_only=True)
class CoderDescription:
    """The encoder with quant_conv, or the decoder with post_quant_conv."""

    parts: list[PartRow]
    parameters: int  # of all parts
    flops: int  # of all parts, for the clip
    reach: Reach  # from its input to its output
    sees: list[Sees]  # every output frame of the clip
    whole_clip_statistics: bool  # norms that let every frame depend on all


@dataclass(frozen=True, kw_only=True)
class ModelDescription:
    """A model and what it takes to code one clip."""

    summary: Summary
    architecture: Architecture
    clip: Clip
    latents: Clip  # their size for the clip
    encoder: CoderDescription
    decoder: CoderDescription
    memory: list[MemoryEstimate]  # in fp32 and bf16

    def to_json(self) -> str:
        """All fields."""
        return _json(self)

    def text(self) -> str:
        """For a person, in at most 100 columns."""
        from odvae.anatomy.rendering import model_text

        return model_text(self)


@cache
def describe(architecture: Architecture, clip: Clip, *, train_batch: int = 1) -> ModelDescription:
    """Derive the description of a model; no weights are made and nothing is computed.

    Args:
        architecture: of the model.
        clip: what sizes, costs and memory are for.
        train_batch: clips in a training step, for its memory.

    Raises:
        UserError: a clip that the model would have to cut.
    """
    with torch.device("meta"):
        vae = ODVAE(architecture)
    clip.check(vae)
    before, after = encoder_parts(vae), decoder_parts(vae)
    video, latents = empty_clips(clip, batch=1), empty_latents(vae, clip)
    batches = sorted({1, train_batch})
    return ModelDescription(
        summary=summarise(vae),
        architecture=architecture,
        clip=clip,
        latents=Clip(*latents.shape[2:]),
        encoder=_coder(rows(before, video), stages(before), clip.frames),
        decoder=_coder(rows(after, latents), stages(after), latents.shape[2]),
        memory=[estimate(vae, clip, bf16=bf16, batches=batches) for bf16 in (False, True)],
    )


def summarise(vae: VideoVAE) -> Summary:
    """What a VAE of any kind tells about itself."""
    counted = sum(p.numel() for p in vae.parameters()) if isinstance(vae, nn.Module) else 0
    scaling = vae.latent_scaling
    return Summary(
        kind=getattr(vae, "name", type(vae).__name__),  # a wrapper names what it wraps,
        parameters=counted,
        compression=str(vae.compression),
        vcpr=vae.compression.volume,
        clip_lengths=str(vae.clip_lengths),
        latent_channels=vae.latent_channels,
        scale=scaling.scale,
        shift=scaling.shift,
        input_range=vae.input_range,
    )


def _coder(
    parts: list[PartRow], pipeline: Sequence[nn.Module], input_frames: int
) -> CoderDescription:
    whole = reach(pipeline)
    sees = [
        Sees(
            outputs=Frames(output, output),
            own=whole.own_frames(output),
            seen=frames_seen(pipeline, Frames(output, output)).within(input_frames),
        )
        for output in range(parts[-1].frames)
    ]
    return CoderDescription(
        parts=parts,
        parameters=sum(part.parameters for part in parts),
        flops=sum(part.flops for part in parts),
        reach=whole,
        sees=_alike(sees),
        whole_clip_statistics=any(map(takes_whole_clip_statistics, pipeline)),
    )


def _alike(sees: Sequence[Sees]) -> list[Sees]:
    """Join neighbours that see the same."""
    joined: list[Sees] = []
    for each in sees:
        if joined and (joined[-1].own, joined[-1].seen) == (each.own, each.seen):
            outputs = joined[-1].outputs.union(each.outputs)
            joined[-1] = Sees(outputs=outputs, own=each.own, seen=each.seen)
        else:
            joined.append(each)
    return joined


def _json(described: Summary | ModelDescription) -> str:
    return json.dumps(asdict(described), default=_plain, indent=1)


def _plain(value: object) -> float | str:
    match value:
        case Fraction():
            return float(value)
        case Enum():
            return str(value.value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
