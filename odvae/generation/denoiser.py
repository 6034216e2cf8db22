"""Latte (Ma et al. 2024), through diffusers, as the denoiser of latents (B, c, t, h, w).

diffusers has the text-to-video Latte. A class takes the place of the text: one learned token, seen
by cross-attention. As there is a single token, a class amounts to a learned offset in each spatial
block, and the queries and keys of those cross-attentions have nothing to learn. The Latte of the
class-conditional experiments adds the class to the timestep instead, and has adaLN layers of its
own in every block, which makes it larger at the same depth and width.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from odvae.errors import UserError
from odvae.generation.latents import LatentShape


@dataclass(frozen=True, kw_only=True)
class DenoiserSize:
    """A row of the table of sizes."""

    name: str
    layers: int  # blocks, spatial and temporal by turns, as the Latte paper counts
    heads: int
    head_dim: int
    patch: int = 2  # side of the square of latents that makes a token

    @property
    def hidden(self) -> int:
        """Width of a token."""
        return self.heads * self.head_dim


SIZES = {
    row.name: row
    for row in (
        DenoiserSize(name="tiny", layers=4, heads=2, head_dim=32),
        DenoiserSize(name="mini", layers=8, heads=4, head_dim=48),
        DenoiserSize(name="S/2", layers=12, heads=6, head_dim=64),
        DenoiserSize(name="B/2", layers=12, heads=12, head_dim=64),
        DenoiserSize(name="L/2", layers=24, heads=16, head_dim=64),
        DenoiserSize(name="XL/2", layers=28, heads=16, head_dim=72),
    )
}
"""Sizes by name: the Latte paper's (its Table 1) and two that train on a CPU."""


class Denoiser(nn.Module):
    """Predicts the noise, or the velocity, in latents of one shape.

    An odd height or width gets its last row or column twice inside, since a token is a square of
    latents; what is predicted there is dropped.

    Attributes:
        size: the row it is built from.
        shape: (c, t, h, w) of its latents. Other lengths would need other positions in time.
        classes: how many; None: it is unconditional.

    Args:
        size: a row of the table.
        shape: (c, t, h, w).
        classes: how many, or None.
    """

    def __init__(self, size: DenoiserSize, shape: LatentShape, *, classes: int | None) -> None:
        from diffusers import LatteTransformer3DModel  # takes seconds

        super().__init__()
        self.size = size
        self.shape = shape
        self.classes = classes
        channels, frames, height, _ = shape
        self.transformer: Any = LatteTransformer3DModel(  # type: ignore[no-untyped-call, unused-ignore]
            num_attention_heads=size.heads,
            attention_head_dim=size.head_dim,
            in_channels=channels,
            out_channels=channels,  # without the learned variance
            num_layers=size.layers // 2,  # it counts pairs of blocks
            cross_attention_dim=size.hidden,
            caption_channels=size.hidden,
            attention_bias=True,
            sample_size=height + height % size.patch,
            patch_size=size.patch,
            activation_fn="gelu-approximate",
            norm_type="ada_norm_single",
            norm_elementwise_affine=False,
            norm_eps=1e-6,
            video_length=frames,
        )
        # The last row is that of no class, and the constant token of an unconditional denoiser.
        self.tokens = nn.Embedding((classes or 0) + 1, size.hidden)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.tokens.weight.device

    def forward(self, latents: Tensor, timesteps: Tensor, classes: Tensor | None) -> Tensor:
        """Predict for latents (B, c, t, h, w) at timesteps (B,); the same shape comes back.

        Args:
            latents: noisy ones of unit variance.
            timesteps: int64, 0 for the least noise.
            classes: int64 (B,), -1 for no class; None: no class for all of them.

        Raises:
            ValueError: latents of another shape.
        """
        if tuple(latents.shape[1:]) != self.shape:
            raise ValueError(
                f"this denoiser takes latents (B, {', '.join(map(str, self.shape))}), "
                f"got {tuple(latents.shape)}"
            )
        height, width = self.shape[2:]
        below, right = -height % self.size.patch, -width % self.size.patch
        if below or right:
            latents = F.pad(latents, (0, right, 0, below, 0, 0), "replicate")
        predicted: Tensor = self.transformer(
            latents,
            timestep=timesteps,
            encoder_hidden_states=self._token(classes, len(latents)),
            return_dict=False,
        )[0]
        return predicted[..., :height, :width]

    def _token(self, classes: Tensor | None, count: int) -> Tensor:
        """One token a clip, (B, 1, hidden)."""
        no_class = self.tokens.num_embeddings - 1
        if classes is None:
            classes = torch.full((count,), no_class, device=self.device)
        token: Tensor = self.tokens(classes.where(classes >= 0, no_class))
        return token.unsqueeze(1)


def build(size: str, shape: LatentShape, *, classes: int | None, seed: int) -> Denoiser:
    """A new denoiser on the CPU, which predicts zeros until it is trained.

    Its weights are a function of the seed; the global generator is left as it was.

    Args:
        size: name of a row of ``SIZES``.
        shape: (c, t, h, w) of the latents of a clip.
        classes: how many, or None for an unconditional one.
        seed: of the weights.

    Raises:
        UserError: no such size, or no latents of such a shape.
    """
    if size not in SIZES:
        raise UserError(f"denoiser.size must be one of {', '.join(SIZES)}, got {size}")
    if min(shape) < 1:
        raise UserError(f"denoiser.shape must be (c, t, h, w), each at least 1, got {shape}")
    if classes is not None and classes < 1:
        raise UserError(f"denoiser.classes must be null or at least 1, got {classes}")
    with torch.random.fork_rng(devices=[]):  # the random weights that are replaced
        denoiser = Denoiser(SIZES[size], shape, classes=classes)
    _initialise(denoiser, torch.Generator().manual_seed(seed))
    return denoiser


def checkpoint_activations(denoiser: Denoiser) -> None:
    """Keep the input of every block, not what is inside: less memory for a second forward pass."""
    denoiser.transformer.enable_gradient_checkpointing()


@torch.no_grad()
def _initialise(denoiser: Denoiser, generator: torch.Generator) -> None:
    """As Latte does it, adaLN-Zero: each block starts as the identity, and the output as zeros.

    diffusers leaves the layers as PyTorch makes them, which is not meant for training.
    """
    for module in denoiser.modules():
        match module:
            case nn.Linear() | nn.Conv2d():
                nn.init.xavier_uniform_(module.weight.view(len(module.weight), -1), 1, generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            case nn.Embedding():  # the layer after it expects features of a text
                nn.init.normal_(module.weight, generator=generator)
    latte = denoiser.transformer
    for linear in latte.adaln_single.emb.timestep_embedder.children():
        if isinstance(linear, nn.Linear):
            nn.init.normal_(linear.weight, std=0.02, generator=generator)
    of_no_effect = [latte.adaln_single.linear, latte.proj_out]
    of_no_effect += [block.attn2.to_out[0] for block in latte.transformer_blocks]
    for linear in of_no_effect:
        nn.init.zeros_(linear.weight)
    for name, parameter in denoiser.named_parameters():
        if name.endswith("scale_shift_table"):
            nn.init.zeros_(parameter)
