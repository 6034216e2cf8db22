"""The real SD-VAE's weights: from a diffusers folder, a file, or the hub."""

import logging
import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from odvae.errors import UserError
from odvae.hashing import file_sha256

HUB_ID = "stabilityai/sd-vae-ft-mse"
WEIGHTS_FILE = "diffusion_pytorch_model.safetensors"
# Of damaged files and of files of other kinds; an old-fashioned one is a bare pickle.
_UNREADABLE = (
    SafetensorError,
    OSError,
    RuntimeError,
    EOFError,
    LookupError,
    ValueError,
    pickle.UnpicklingError,
)


def read_sd_vae(path: str | None) -> dict[str, Tensor]:
    """Tensors of the SD-VAE in the names they were stored under.

    Args:
        path: a folder that diffusers saved, a .safetensors file, or a .ckpt, .pt or .bin file
            (read without running code from it); None asks the hub.

    Raises:
        UserError: nothing readable there, or no network.
    """
    file = _from_hub() if path is None else weights_file(path)
    loaded = _loaded(file)
    tensors = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else None
    if not isinstance(tensors, dict):
        raise UserError(f"image_vae.path={file}: not weights, but a {type(loaded).__name__}")
    kept = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")  # CompVis adds a loss
    return {
        name: value.float()
        for name, value in tensors.items()
        if isinstance(value, Tensor) and name.startswith(kept)
    }


def _loaded(file: Path) -> object:
    """What a file holds; code in it is not run."""
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        return torch.load(file, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        if "GLOBAL" in str(error):  # the name of a function, or of a class
            problem = "refused, it would run code when loaded; convert it to safetensors first"
        else:
            problem = "damaged, or not weights"
        raise UserError(f"image_vae.path={file}: {problem}") from error


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

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # it reports each of its retries
    try:
        file = Path(hf_hub_download(HUB_ID, WEIGHTS_FILE))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"image_vae=sd: {HUB_ID} cannot be downloaded ({type(error).__name__}); "
            "get it elsewhere and name the folder or file with image_vae.path=..."
        ) from error
    recorded = file.resolve().name  # the hub's cache keeps a large file under its sha256
    if recorded != file_sha256(file):
        raise UserError(f"image_vae=sd: {file} is not the file that the hub records (sha256)")
    return file
