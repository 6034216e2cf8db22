"""The methods that odvae compares: a row each. ``conf/model/`` has a file of each name.

To add one that diffusers has a class for, add a row here and one in ``diffusers_table.py``.
"""

from dataclasses import dataclass
from enum import Enum

from odvae.model import IMAGE, TEMPORAL_DECODER


class Method(Enum):
    """What ``model=`` accepts."""

    odvae = "odvae"
    sd_vae = "sd_vae"
    svd_vae = "svd_vae"
    vqgan = "vqgan"
    tats = "tats"
    cv_vae = "cv_vae"
    ops_vae = "ops_vae"
    cogvideox = "cogvideox"
    wan = "wan"
    hunyuan_video = "hunyuan_video"
    mochi = "mochi"
    ltx = "ltx"
    cosmos = "cosmos"
    allegro = "allegro"
    magvit = "magvit"

    @property
    def row(self) -> "MethodRow":
        """What is known of it."""
        return METHODS[self]

    @property
    def is_trainable(self) -> bool:
        """Whether odvae trains it."""
        return self is Method.odvae or self.row.variant is not None


@dataclass(frozen=True, kw_only=True)
class MethodRow:
    """What is known of a method."""

    title: str  # in tables
    diffusers_class: str | None = None  # of its weights
    variant: int | None = None  # its row in the table of variants, if odvae trains it itself
    frozen_encoder: bool = False  # only its decoder is trained
    paper_name: str | None = None  # in the paper's tables
    to_be_had: bool = True  # False: no maintained library carries its code and weights


METHODS: dict[Method, MethodRow] = {
    Method.odvae: MethodRow(title="OD-VAE", paper_name="OD-VAE"),
    Method.sd_vae: MethodRow(title="SD-VAE", variant=IMAGE, paper_name="SD-VAE"),
    Method.svd_vae: MethodRow(
        title="SVD-VAE",
        diffusers_class="AutoencoderKLTemporalDecoder",
        variant=TEMPORAL_DECODER,
        frozen_encoder=True,
        paper_name="SVD-VAE",
    ),
    Method.vqgan: MethodRow(title="VQGAN", diffusers_class="VQModel", paper_name="VQGAN"),
    Method.tats: MethodRow(title="TATS", paper_name="TATS", to_be_had=False),
    Method.cv_vae: MethodRow(title="CV-VAE", paper_name="CV-VAE", to_be_had=False),
    Method.ops_vae: MethodRow(title="OPS-VAE", paper_name="OPS-VAE", to_be_had=False),
    Method.cogvideox: MethodRow(title="CogVideoX", diffusers_class="AutoencoderKLCogVideoX"),
    Method.wan: MethodRow(title="Wan", diffusers_class="AutoencoderKLWan"),
    Method.hunyuan_video: MethodRow(
        title="HunyuanVideo", diffusers_class="AutoencoderKLHunyuanVideo"
    ),
    Method.mochi: MethodRow(title="Mochi", diffusers_class="AutoencoderKLMochi"),
    Method.ltx: MethodRow(title="LTX-Video", diffusers_class="AutoencoderKLLTXVideo"),
    Method.cosmos: MethodRow(title="Cosmos", diffusers_class="AutoencoderKLCosmos"),
    Method.allegro: MethodRow(title="Allegro", diffusers_class="AutoencoderKLAllegro"),
    Method.magvit: MethodRow(title="EasyAnimate", diffusers_class="AutoencoderKLMagvit"),
}
