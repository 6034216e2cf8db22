"""Models from saved weights: our own folder, or the released model's state dict."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from odvae.errors import UserError
from odvae.model.architecture import Architecture
from odvae.model.mismatch import check_shapes
from odvae.model.names import from_official_names
from odvae.model.saved import read_folder
from odvae.model.vae import ODVAE
from odvae.model.variants import VARIANTS, Operators, Variant


def load(path: Path | str) -> ODVAE:
    """Load a folder written by ``vae.save``, strictly, in evaluation mode.

    Raises:
        UserError: no such folder, a damaged file, or tensors that do not fit.
    """
    path = Path(path)
    if not path.is_dir():
        raise UserError(f"{path}: no such folder; expected one saved by odvae")
    architecture, tensors = read_folder(path)
    return _build(architecture, tensors, what=str(path))


def from_official(state_dict: Mapping[str, Tensor], *, norm_groups: int = 32) -> ODVAE:
    """The released OD-VAE from its tensors in official names (paper operators).

    Variant, width, blocks and latent channels are recognised from names and shapes; the number of
    norm groups leaves no trace in them.

    Raises:
        UserError: the tensors are of no variant, or some are missing, left over or mis-shaped.
    """
    tensors = from_official_names(state_dict)
    architecture = _recognise(tensors, norm_groups=norm_groups)
    return _build(architecture, tensors, what="the official state dict")


def _build(architecture: Architecture, tensors: Mapping[str, Tensor], *, what: str) -> ODVAE:
    with torch.device("meta"):  # no time spent on weights that are about to be replaced
        vae = ODVAE(architecture)
    check_shapes(
        expected={name: tuple(tensor.shape) for name, tensor in vae.state_dict().items()},
        got={name: tuple(tensor.shape) for name, tensor in tensors.items()},
        what=what,
    )
    vae.load_state_dict({name: tensor.clone() for name, tensor in tensors.items()}, assign=True)
    return vae.float().eval()


def _recognise(tensors: Mapping[str, Tensor], *, norm_groups: int) -> Architecture:
    probes = {
        "encoder_outer": "encoder.down.0.block.0.conv1.weight",
        "encoder_inner": "encoder.mid.block_1.conv1.weight",
        "decoder_inner": "decoder.mid.block_1.conv1.weight",
        "decoder_outer": "decoder.up.0.block.0.conv1.weight",
    }
    sizes = ("encoder.conv_in.weight", "post_quant_conv.weight")
    absent = [name for name in (*probes.values(), *sizes) if name not in tensors]
    if absent:
        raise UserError(f"not an OD-VAE state dict: {', '.join(absent)} missing")
    row = Variant(**{part: tensors[name].ndim == 5 for part, name in probes.items()})
    variant = next((number for number, known in VARIANTS.items() if known == row), None)
    if variant is None:
        raise UserError(f"these 2D and 3D convolutions are of no known variant: {row}")
    blocks = sum(f"encoder.down.0.block.{j}.conv1.weight" in tensors for j in range(len(tensors)))
    return Architecture(
        variant=variant,
        width=tensors["encoder.conv_in.weight"].shape[0],
        blocks=blocks,
        latent_channels=tensors["post_quant_conv.weight"].shape[0],
        norm_groups=norm_groups,
        operators=Operators.paper,
    )
