"""The methods that odvae compares: a row each. ``conf/model/`` has a file of each name.

To add one that diffusers has a class for, add a row here and one in ``diffusers_table.py``.
"""

from collections.abc import Mapping
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
    hub_id: str | None = None  # of weights that are published in diffusers' form
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
    Method.vqgan: MethodRow(
        title="VQGAN",
        diffusers_class="VQModel",
        hub_id="CompVis/ldm-super-resolution-4x-openimages/vqvae",
        paper_name="VQGAN",
    ),
    Method.tats: MethodRow(title="TATS", paper_name="TATS", to_be_had=False),
    Method.cv_vae: MethodRow(title="CV-VAE", paper_name="CV-VAE", to_be_had=False),
    Method.ops_vae: MethodRow(title="OPS-VAE", paper_name="OPS-VAE", to_be_had=False),
    Method.cogvideox: MethodRow(
        title="CogVideoX",
        diffusers_class="AutoencoderKLCogVideoX",
        hub_id="THUDM/CogVideoX-2b/vae",
    ),
    Method.wan: MethodRow(
        title="Wan",
        diffusers_class="AutoencoderKLWan",
        hub_id="Wan-AI/Wan2.1-T2V-1.3B-Diffusers/vae",
    ),
    Method.hunyuan_video: MethodRow(
        title="HunyuanVideo",
        diffusers_class="AutoencoderKLHunyuanVideo",
        hub_id="hunyuanvideo-community/HunyuanVideo/vae",
    ),
    Method.mochi: MethodRow(
        title="Mochi",
        diffusers_class="AutoencoderKLMochi",
        hub_id="genmo/mochi-1-preview/vae",
    ),
    Method.ltx: MethodRow(
        title="LTX-Video",
        diffusers_class="AutoencoderKLLTXVideo",
        hub_id="Lightricks/LTX-Video/vae",
    ),
    Method.cosmos: MethodRow(
        title="Cosmos",
        diffusers_class="AutoencoderKLCosmos",
        hub_id="nvidia/Cosmos-1.0-Tokenizer-CV8x8x8/vae",
    ),
    Method.allegro: MethodRow(
        title="Allegro",
        diffusers_class="AutoencoderKLAllegro",
        hub_id="rhymes-ai/Allegro/vae",
    ),
    Method.magvit: MethodRow(
        title="EasyAnimate",
        diffusers_class="AutoencoderKLMagvit",
        hub_id="alibaba-pai/EasyAnimateV5.1-12b-zh-diffusers/vae",
    ),
}


OWN = "own"  # the tag ``weights`` of what odvae has trained
RANDOM = "random"  # and of a model that is measured without weights
OWN_SVD = "SVD-VAE's kind"  # its name alone would promise the published weights


def method_of(tags: Mapping[str, str]) -> Method:
    """Which method a run is of; runs from before there was a choice are OD-VAE's."""
    return Method(tags.get("model") or Method.odvae.value)


def rival_label(tags: Mapping[str, str]) -> str:
    """What a run of another method is called.

    Args:
        tags: of the run: model, task, weights.
    """
    if tags["model"] not in {method.value for method in Method}:
        return tags["model"]  # of a later version of odvae
    method = method_of(tags)
    is_own = tags.get("weights") in (OWN, RANDOM) or tags.get("task") == "train"
    if is_own and method is Method.svd_vae:
        return f"{OWN_SVD} (own temporal decoder)"
    if method is Method.sd_vae:
        return f"{method.row.title} (image VAE per frame)"
    return method.row.title
