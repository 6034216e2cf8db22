"""The real SD-VAE's weights: from a diffusers folder, a file, or the hub."""

import hashlib
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from odvae.errors import UserError

HUB_ID = "stabilityai/sd-vae-ft-mse"
WEIGHTS_FILE = "diffusion_pytorch_model.safetensors"
_CHUNK_BYTES = 2**22


def read_sd_vae(path: str | None) -> dict[str, Tensor]:
    """Tensors of the SD-VAE in the names they were stored under.

    Args:
        path: a folder that diffusers saved, a .safetensors file, or a .ckpt, .pt or .bin file
            (read without running code from it); None asks the hub.

    Raises:
        UserError: nothing readable there, or no network.
    """
    file = _from_hub() if path is None else weights_file(path)
    try:
        tensors: dict[str, Any]
        if file.suffix == ".safetensors":
            tensors = load_file(file)
        else:
            tensors = torch.load(file, map_location="cpu", weights_only=True)
            tensors = tensors.get("state_dict", tensors)
    except (SafetensorError, OSError, RuntimeError, EOFError) as error:
        raise UserError(f"image_vae.path={file}: damaged or not weights ({error})") from error
    except pickle.UnpicklingError as error:
        raise UserError(
            f"image_vae.path={file}: refused, it would run code when loaded; "
            "convert it to safetensors first"
        ) from error
    weights = {name: value for name, value in tensors.items() if isinstance(value, Tensor)}
    kept = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")  # CompVis adds a loss
    return {name: value.float() for name, value in weights.items() if name.startswith(kept)}


def weights_file(path: str) -> Path:
    """The file that ``path``, a folder or a file, stands for. Raises UserError if it is missing."""
    given = Path(path).expanduser()
    file = given / WEIGHTS_FILE if given.is_dir() else given
    if not file.is_file():
        raise UserError(f"image_vae.path={path}: no such file {file}")
    return file


def _from_hub() -> Path:
    """Download (once) and check against the sha256 that the hub records for the file."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        file = Path(hf_hub_download(HUB_ID, WEIGHTS_FILE))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"image_vae=sd: {HUB_ID} cannot be downloaded ({type(error).__name__}); "
            "get it elsewhere and name the folder or file with image_vae.path=..."
        ) from error
    recorded = file.resolve().name  # the hub's cache keeps a large file under its sha256
    if recorded != _sha256(file):
        raise UserError(f"image_vae=sd: {file} is not the file that the hub records (sha256)")
    return file


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
