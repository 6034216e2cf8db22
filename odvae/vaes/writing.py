"""Writing a VAE in one of the forms that others read. Tensors keep their types and bits."""

import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor

from odvae.errors import UserError
from odvae.model import IMAGE, VIDEO_VARIANTS, Architecture, Operators
from odvae.model.architecture import LEVEL_MULTIPLIERS
from odvae.model.atomic import replacing
from odvae.model.names import to_diffusers_names, to_image_shapes, to_official_names
from odvae.model.saved import StoredVAE, own_copy, write_folder, write_safetensors
from odvae.vaes.configs import NORM_GROUPS
from odvae.vaes.files import CONFIG_FILE, PICKLED, SAFE, SUFFIXES
from odvae.vaes.image import autoencoder_kl_config
from odvae.vaes.official import official_config

_DIFFUSERS_WEIGHTS = "diffusion_pytorch_model.safetensors"
_UNWRITTEN = (OSError, RuntimeError, SafetensorError)  # torch and safetensors have their own


class Target(Enum):
    """The forms that are written."""

    odvae = "odvae"  # a folder: config.json and model.safetensors
    official = "official"  # video: the released OD-VAE's file or folder; image: CompVis' file
    diffusers = "diffusers"  # image: a folder that AutoencoderKL.from_pretrained reads


def write(stored: StoredVAE, to: Target, path: Path) -> None:
    """Write a VAE where nothing is yet, all of it or nothing.

    ``official`` is bare tensors in a .safetensors file, ``{"state_dict": tensors}`` in a .ckpt,
    .pt, .pth or .bin file (the form that every version of the released loader reads), or for
    other names a folder with config.json and diffusion_pytorch_model.safetensors.

    Raises:
        UserError: something is there, it cannot be written, or the form cannot express the model.
    """
    if path.exists() or path.is_symlink():
        raise UserError(f"{path}: not overwritten; name a place where nothing is")
    if to is not Target.official and path.name.endswith(SUFFIXES):
        raise UserError(f"{path}: --to {to.value} writes a folder, not a {path.suffix} file")
    try:
        match to:
            case Target.odvae:
                write_folder(path, stored.architecture, stored.tensors)
            case Target.official:
                _write_official(stored, path)
            case Target.diffusers:
                _write_diffusers(stored, path)
    except _UNWRITTEN as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: cannot be written ({reason})") from error


def _write_official(stored: StoredVAE, path: Path) -> None:
    architecture = stored.architecture
    _check_default_groups(architecture)
    _check_operators(architecture, "official")
    is_image = architecture.variant == IMAGE
    if is_image:
        tensors = to_image_shapes(stored.tensors)
    elif architecture.variant in VIDEO_VARIANTS:
        tensors = to_official_names(stored.tensors)
    else:
        raise UserError(f"variant={architecture.variant}: no such model was released")
    if path.name.endswith(SAFE):
        with replacing(path) as part:
            write_safetensors(part, tensors)
    elif path.name.endswith(PICKLED):
        with replacing(path) as part:
            torch.save({"state_dict": {n: own_copy(t) for n, t in tensors.items()}}, part)
    elif is_image:
        raise UserError(f"{path}: an image VAE's official form is a file ({', '.join(SUFFIXES)})")
    else:
        _write_with_config(path, official_config(architecture), tensors)


def _write_diffusers(stored: StoredVAE, path: Path) -> None:
    architecture = stored.architecture
    if architecture.variant != IMAGE:
        raise UserError(
            f"variant={architecture.variant}: diffusers has no class for it; choose another form"
        )
    _check_operators(architecture, "diffusers")
    if _one_number_of_groups(architecture) is None:
        raise UserError(
            f"norm_groups={architecture.norm_groups}: diffusers knows one number of groups for all "
            "layers only"
        )
    tensors = to_diffusers_names(to_image_shapes(stored.tensors))
    _write_with_config(path, autoencoder_kl_config(architecture), tensors)


def _write_with_config(
    path: Path, config: Mapping[str, object], tensors: Mapping[str, Tensor]
) -> None:
    with replacing(path) as part:
        part.mkdir()
        (part / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n")
        write_safetensors(part / _DIFFUSERS_WEIGHTS, tensors)


def _check_operators(architecture: Architecture, form: str) -> None:
    """A reader of the form would run the tensors through other operators."""
    implied = Operators.strict if architecture.variant == IMAGE else Operators.paper
    if architecture.operators is not implied:
        raise UserError(
            f"operators={architecture.operators.value}: the {form} form cannot record them and "
            f"means {implied.value}; choose odvae"
        )


def _check_default_groups(architecture: Architecture) -> None:
    if _one_number_of_groups(architecture) != NORM_GROUPS:
        raise UserError(
            f"norm_groups={architecture.norm_groups}: the official form cannot record them and "
            f"means {NORM_GROUPS}; choose odvae"
        )


def _one_number_of_groups(architecture: Architecture) -> int | None:
    numbers = {architecture.groups(architecture.width * m) for m in LEVEL_MULTIPLIERS}
    return numbers.pop() if len(numbers) == 1 else None
