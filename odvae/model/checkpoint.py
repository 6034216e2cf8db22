"""Models from saved weights: our own folder, the released model's tensors, or SD-VAE's."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from odvae.errors import UserError
from odvae.model.architecture import Architecture
from odvae.model.mismatch import check_shapes
from odvae.model.names import from_official_names, to_compvis_names
from odvae.model.saved import StoredVAE, read_folder
from odvae.model.vae import ODVAE
from odvae.model.variants import IMAGE, VARIANTS, Operators, Variant

_FLOATS = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
_WIDTH = "encoder.conv_in.weight"  # its first size is the width
_LATENT = "post_quant_conv.weight"  # its first size is the number of latent channels


def load(path: Path | str) -> ODVAE:
    """Load a folder written by ``vae.save``, strictly, in evaluation mode.

    Raises:
        UserError: no such folder, a damaged file, or tensors that do not fit.
    """
    path = Path(path)
    if not path.is_dir():
        raise UserError(f"{path}: no such folder; expected one saved by odvae")
    stored = read_folder(path)
    check_stored(stored, what=str(path))
    return build(stored)


def from_official(state_dict: Mapping[str, Tensor], *, norm_groups: int = 32) -> ODVAE:
    """The released OD-VAE from its tensors in official names (paper operators).

    Variant, width, blocks and latent channels are recognised from names and shapes; the number of
    norm groups leaves no trace in them.

    Raises:
        UserError: the tensors are of no variant, or some are missing, left over or mis-shaped.
    """
    return build(recognise_official(state_dict, norm_groups=norm_groups))


def recognise_official(state: Mapping[str, Tensor], *, norm_groups: int = 32) -> StoredVAE:
    """What ``from_official`` builds, not built yet. Raises UserError like it."""
    tensors = from_official_names(state)
    probes = {
        "encoder_outer": "encoder.down.0.block.0.conv1.weight",
        "encoder_inner": "encoder.mid.block_1.conv1.weight",
        "decoder_inner": "decoder.mid.block_1.conv1.weight",
        "decoder_outer": "decoder.up.0.block.0.conv1.weight",
    }
    _check_present(tensors, [*probes.values(), _WIDTH, _LATENT], what="an OD-VAE")
    row = Variant(**{part: tensors[name].ndim == 5 for part, name in probes.items()})
    variant = next((number for number, known in VARIANTS.items() if known == row), None)
    if variant is None:
        raise UserError(f"these 2D and 3D convolutions are of no known variant: {row}")
    stored = StoredVAE(
        _sized(tensors, variant, norm_groups=norm_groups, operators=Operators.paper), tensors
    )
    check_stored(stored, what="the official state dict")
    return stored


def recognise_image(state: Mapping[str, Tensor], *, norm_groups: int = 32) -> StoredVAE:
    """The 2D image VAE (SD-VAE) of tensors in CompVis or diffusers names.

    Width, blocks and latent channels are recognised as by ``from_official``.

    Raises:
        UserError: it is no SD-VAE, or tensors are missing, left over or mis-shaped.
    """
    tensors = to_compvis_names(state)
    _check_present(tensors, ["encoder.mid.block_1.conv1.weight", _WIDTH, _LATENT], what="an SD-VAE")
    architecture = _sized(tensors, IMAGE, norm_groups=norm_groups, operators=Operators.strict)
    ours = _shapes(architecture)
    check_shapes(
        expected={name: _flat(shape) for name, shape in ours.items()},
        got={name: tuple(tensor.shape) for name, tensor in tensors.items()},
        what="the image VAE's state dict",
    )
    stored = StoredVAE(
        architecture, {name: tensor.reshape(ours[name]) for name, tensor in tensors.items()}
    )
    check_stored(stored, what="the image VAE's state dict")
    return stored


def check_stored(stored: StoredVAE, *, what: str) -> None:
    """Check that the tensors are exactly those of the architecture. Raises UserError otherwise."""
    tensors = stored.tensors
    check_shapes(
        expected=_shapes(stored.architecture),
        got={name: tuple(tensor.shape) for name, tensor in tensors.items()},
        what=what,
    )
    others = sorted(name for name, tensor in tensors.items() if tensor.dtype not in _FLOATS)
    if others:
        kind = str(tensors[others[0]].dtype).removeprefix("torch.")
        raise UserError(f"{what} does not fit the model: {others[0]} holds {kind}, not floats")


def build(stored: StoredVAE) -> ODVAE:
    """The model of checked tensors: float32, in evaluation mode, on the CPU, a memory of its own.

    Tensors that do not fit are an error of the caller: see ``check_stored``.
    """
    with torch.device("meta"):  # no time spent on weights that are about to be replaced
        vae = ODVAE(stored.architecture)
    tensors = {name: t.to("cpu", torch.float32, copy=True) for name, t in stored.tensors.items()}
    vae.load_state_dict(tensors, assign=True)
    return vae.eval()


def _shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        state = ODVAE(architecture).state_dict()
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def _flat(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of an image kernel less its temporal extent of 1."""
    return (*shape[:2], *shape[3:]) if len(shape) == 5 else shape


def _check_present(tensors: Mapping[str, Tensor], names: list[str], *, what: str) -> None:
    absent = [name for name in names if name not in tensors or tensors[name].ndim < 4]
    if absent:
        raise UserError(f"not {what} state dict: {', '.join(absent)} missing")


def _sized(
    tensors: Mapping[str, Tensor], variant: int, *, norm_groups: int, operators: Operators
) -> Architecture:
    blocks = sum(f"encoder.down.0.block.{j}.conv1.weight" in tensors for j in range(len(tensors)))
    return Architecture(
        variant=variant,
        width=tensors[_WIDTH].shape[0],
        blocks=blocks,
        latent_channels=tensors[_LATENT].shape[0],
        norm_groups=norm_groups,
        operators=operators,
    )
