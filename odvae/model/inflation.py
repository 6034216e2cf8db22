"""Start a video VAE from a 2D image VAE (paper section 3.4, equations 3 to 5).

An image kernel is (C_out, C_in, k_h, k_w), a video kernel (C_out, C_in, k_t, k_h, k_w); the last
temporal tap is the current frame.
"""

from collections.abc import Mapping
from enum import Enum

import torch
from torch import Tensor, nn

from odvae.model.mismatch import check_shapes
from odvae.model.names import to_compvis_names, to_image_shapes
from odvae.model.vae import ODVAE
from odvae.model.variants import member


class Initialisation(Enum):
    """Which temporal taps receive the image kernel."""

    random = "random"  # none: nothing is copied from the image VAE
    inflate = "inflate"  # all, each divided by k_t: "average", equation 5
    center = "center"  # the middle one: the authors' first report, not the paper
    tail = "tail"  # the last one, equation 3: exact frame by frame on any video


def inflate(
    video_vae: ODVAE,
    image_state_dict: Mapping[str, Tensor] | None,
    how: Initialisation | str,
    generator: torch.Generator | None = None,
) -> ODVAE:
    """Initialise a video VAE in place and return it.

    Args:
        video_vae: a model of any variant and width.
        image_state_dict: a 2D SD-VAE of the same width in CompVis or diffusers names; unused,
            and may be None, for ``random``.
        how: random, inflate, center or tail.
        generator: draws the weights of ``random``.

    Raises:
        UserError: tensors are missing, left over or of another shape; they are listed.
    """
    how = member(Initialisation, how, field="init")
    if how is Initialisation.random:
        return _he_normal_(video_vae, generator)
    if image_state_dict is None:
        raise ValueError(f"init={how.value} needs an image VAE's state dict, got None")
    image = to_compvis_names(image_state_dict)
    video = video_vae.state_dict()
    check_shapes(
        expected={name: _image_shape(tensor) for name, tensor in video.items()},
        got={name: tuple(tensor.shape) for name, tensor in image.items()},
        what=f"the image VAE for init={how.value}",
    )
    video_vae.load_state_dict(
        {name: _inflated(image[name], like=tensor, how=how) for name, tensor in video.items()}
    )
    return video_vae


def inflate_kernel(weight: Tensor, taps: int, how: Initialisation) -> Tensor:
    """Give an image kernel (O, I, k_h, k_w) a temporal extent: (O, I, taps, k_h, k_w).

    The taps always sum to ``weight``, so a still video is treated as the image was.
    """
    share = torch.zeros(taps, dtype=weight.dtype, device=weight.device)
    match how:
        case Initialisation.inflate:
            share[:] = 1 / taps
        case Initialisation.center:
            share[taps // 2] = 1
        case Initialisation.tail:
            share[-1] = 1
        case Initialisation.random:
            raise ValueError("random copies no kernel")
    return weight.unsqueeze(2) * share.view(1, 1, taps, 1, 1)


def image_state_dict(image_vae: ODVAE) -> dict[str, Tensor]:
    """The weights of an image VAE in CompVis names and 2D shapes, ready for ``inflate``."""
    return to_image_shapes(image_vae.state_dict())


def _image_shape(tensor: Tensor) -> tuple[int, ...]:
    """Shape less the temporal extent."""
    shape = tuple(tensor.shape)
    return (*shape[:2], *shape[3:]) if len(shape) == 5 else shape


def _inflated(source: Tensor, *, like: Tensor, how: Initialisation) -> Tensor:
    if like.ndim == 5 and source.ndim == 4:
        source = inflate_kernel(source, like.shape[2], how)
    return source.to(like)


def _he_normal_(vae: ODVAE, generator: torch.Generator | None) -> ODVAE:
    """Gaussian by fan-in, zero biases, norms 1 and 0 (the paper gives no scale)."""
    for module in vae.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            assert module.bias is not None, "every convolution of the model is biased"
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.GroupNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
    return vae
