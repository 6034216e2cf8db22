"""What odvae knows of diffusers' VAEs: a row each, read from their code and held by tests.

A row's functions take the instance's configuration, so that small and large, old and new models of
one class share it. Tensors are (B, C, T, H, W), pixels in [-1, 1], which all of them were made for.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from odvae.errors import UserError
from odvae.model import ClipLengths, Compression, Deterministic, LatentScaling
from odvae.vaes.diffusers_row import Config, DiffusersRow, by_frame, of_clip, standardising, to_clip


def _halved(levels: Sequence[Any]) -> int:
    """Spatial compression of a pyramid that halves the sides after every level but the last."""
    return 1 << (len(levels) - 1)


def _image(config: Config) -> Compression:
    side = _halved(config["block_out_channels"])
    return Compression(1, side, side)


def _by_ratios(config: Config) -> Compression:
    side = int(config["spatial_compression_ratio"])
    return Compression(int(config["temporal_compression_ratio"]), side, side)


# --- SVD-VAE: an image encoder, and a decoder that looks at all frames of a clip.


def _svd_moments(vae: Any, video: Tensor) -> Tensor:
    return by_frame(lambda images: of_clip(vae, images), video)


def _svd_decode(vae: Any, latents: Tensor) -> Tensor:
    frames = latents.shape[2]
    return by_frame(lambda images: vae.decode(images, num_frames=frames).sample, latents)


_SVD = DiffusersRow(
    class_name="AutoencoderKLTemporalDecoder",
    compression=_image,
    moments=_svd_moments,
    decode=_svd_decode,
)


# --- VQGAN: an image model. The latents are those before quantisation; decode quantises.


def _vq_moments(vae: Any, video: Tensor) -> Tensor:
    return by_frame(lambda images: vae.encode(images).latents, video)


def _vq_decode(vae: Any, latents: Tensor) -> Tensor:
    return by_frame(lambda images: to_clip(vae, images), latents)


_VQ = DiffusersRow(
    class_name="VQModel",
    compression=_image,
    latent_channels=lambda config: int(config["vq_embed_dim"] or config["latent_channels"]),
    encoding=Deterministic,
    moments=_vq_moments,
    decode=_vq_decode,
)


# --- CogVideoX decodes latents two at a time, the first three together: with an even number of
# latents frame 0 is not coded by itself, and 4k+1 frames with odd k come back as 4k+4.


def _cogvideox_compression(config: Config) -> Compression:
    side = _halved(config["block_out_channels"])
    return Compression(int(config["temporal_compression_ratio"]), side, side)


_COGVIDEOX = DiffusersRow(
    class_name="AutoencoderKLCogVideoX",
    compression=_cogvideox_compression,
    clip_lengths=lambda _, compression: ClipLengths(step=2 * compression.time),
)


# --- Wan encodes frame 0, then four frames at a time, and drops the rest of a clip. Its pixels
# come clamped to [-1, 1].


def _wan_compression(config: Config) -> Compression:
    side = _halved(config["dim_mult"]) * int(config["patch_size"] or 1)
    return Compression(2 ** sum(config["temperal_downsample"]), side, side)


_WAN = DiffusersRow(
    class_name="AutoencoderKLWan",
    compression=_wan_compression,
    clip_lengths=lambda *_: ClipLengths(step=4),
    latent_channels=lambda config: int(config["z_dim"]),
)


# --- HunyuanVideo cuts clips of more than 16 frames into blended groups unless told not to.


def _hunyuan_whole(vae: Any) -> None:
    vae.use_framewise_encoding = vae.use_framewise_decoding = False


_HUNYUAN = DiffusersRow(
    class_name="AutoencoderKLHunyuanVideo",
    compression=_by_ratios,
    prepare=_hunyuan_whole,
)


# --- Mochi


def _mochi_compression(config: Config) -> Compression:
    side = math.prod(config["spatial_expansions"])
    return Compression(math.prod(config["temporal_expansions"]), side, side)


_MOCHI = DiffusersRow(
    class_name="AutoencoderKLMochi",
    compression=_mochi_compression,
)


# --- LTX-Video. Its decoder looks ahead; newer ones are told how much noise is in the latents.


def _ltx_compression(config: Config) -> Compression:
    kinds = [
        # Only the blocks of version 0.9.5 have a choice of what to halve.
        kind if block == "LTXVideo095DownBlock3D" else "conv"
        for kind, block, halves in zip(
            config["downsample_type"],
            config["down_block_types"],
            config["spatio_temporal_scaling"],
            strict=False,
        )
        if halves
    ]
    side = config["patch_size"] * 2 ** sum(kind != "temporal" for kind in kinds)
    return Compression(2 ** sum(kind != "spatial" for kind in kinds), side, side)


def _ltx_scaling(vae: Any, channels: int) -> LatentScaling:
    mean, std = vae.latents_mean.tolist(), vae.latents_std.tolist()  # among its weights
    return standardising(mean, std, channels=channels, factor=vae.config["scaling_factor"])


def _ltx_decode(vae: Any, latents: Tensor) -> Tensor:
    clean = latents.new_zeros(len(latents)) if vae.config["timestep_conditioning"] else None
    video: Tensor = vae.decode(latents, clean).sample
    return video


def _ltx_without_noise(vae: Any) -> None:
    if any(vae.config["decoder_inject_noise"]):
        raise UserError(
            "AutoencoderKLLTXVideo: decoder_inject_noise must be false throughout, since a "
            "reconstruction would depend on chance (version 0.9.1 has it; 0.9.0 and 0.9.5 do not)"
        )


_LTX = DiffusersRow(
    class_name="AutoencoderKLLTXVideo",
    compression=_ltx_compression,
    latent_scaling=_ltx_scaling,
    decode=_ltx_decode,
    prepare=_ltx_without_noise,
)


# --- Cosmos (continuous): what its encoder gives are the latents.

_COSMOS = DiffusersRow(
    class_name="AutoencoderKLCosmos",
    compression=_by_ratios,
    encoding=Deterministic,
)


# --- Allegro is not causal. diffusers codes it in overlapping blocks of 24 frames only; here its
# networks are called on the clip as a whole.


def _allegro_compression(config: Config) -> Compression:
    side = _halved(config["block_out_channels"])
    return Compression(2 ** sum(config["temporal_downsample_blocks"]), side, side)


def _allegro_moments(vae: Any, video: Tensor) -> Tensor:
    return by_frame(vae.quant_conv, vae.encoder(video))


def _allegro_decode(vae: Any, latents: Tensor) -> Tensor:
    video: Tensor = vae.decoder(by_frame(vae.post_quant_conv, latents))
    return video


_ALLEGRO = DiffusersRow(
    class_name="AutoencoderKLAllegro",
    compression=_allegro_compression,
    clip_lengths=lambda _, compression: ClipLengths(first=compression.time, step=compression.time),
    moments=_allegro_moments,
    decode=_allegro_decode,
)


# --- EasyAnimate encodes frame 0, then four frames at a time, and keeps the past in its layers.


def _magvit_compression(config: Config) -> Compression:
    side = _halved(config["block_out_channels"])
    kinds = config["down_block_types"][:-1]  # the last block halves nothing
    return Compression(2 ** sum(kind == "SpatialTemporalDownBlock3D" for kind in kinds), side, side)


def _magvit_moments(vae: Any, video: Tensor) -> Tensor:
    vae._clear_conv_cache()  # a call that broke off leaves its frames behind
    return of_clip(vae, video)


def _magvit_decode(vae: Any, latents: Tensor) -> Tensor:
    vae._clear_conv_cache()
    return to_clip(vae, latents)


_MAGVIT = DiffusersRow(
    class_name="AutoencoderKLMagvit",
    compression=_magvit_compression,
    clip_lengths=lambda *_: ClipLengths(step=4),
    moments=_magvit_moments,
    decode=_magvit_decode,
)


_ROWS = (_SVD, _VQ, _COGVIDEOX, _WAN, _HUNYUAN, _MOCHI, _LTX, _COSMOS, _ALLEGRO, _MAGVIT)
DIFFUSERS_ROWS: Mapping[str, DiffusersRow] = {row.class_name: row for row in _ROWS}
