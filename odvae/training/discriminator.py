"""The 3D PatchGAN discriminator of the released training code. Clips are (B, 3, T, H, W)."""

import torch
from torch import Tensor, nn

WIDTHS = (64, 128, 256, 512)  # output channels of all layers but the last
STRIDES = ((2, 2, 2), (2, 2, 2), (1, 2, 2), (1, 1, 1), (1, 1, 1))  # (t, h, w)
SLOPE = 0.2
INIT_STD = 0.02


class PatchDiscriminator(nn.Module):
    """Five 3x3x3 convolutions: one logit for each patch of the clip, not one for the clip.

    Shape:
        input   (B, 3, T, H, W) in [-1, 1]
        output  (B, 1, ~T / 4, ~H / 8, ~W / 8), positive where a patch looks real

    4,665,729 parameters. BatchNorm on the middle three layers.

    Args:
        generator: draws the weights, N(0, 0.02); norms' N(1, 0.02).
    """

    def __init__(self, generator: torch.Generator | None = None) -> None:
        super().__init__()
        channels = [3, *WIDTHS]
        layers: list[nn.Module] = []
        for index, stride in enumerate(STRIDES[:-1]):
            normed = index > 0
            layers.append(
                nn.Conv3d(
                    channels[index], channels[index + 1], 3, stride, padding=1, bias=not normed
                )
            )
            if normed:
                layers.append(nn.BatchNorm3d(channels[index + 1]))
            layers.append(nn.LeakyReLU(SLOPE))
        layers.append(nn.Conv3d(channels[-1], 1, 3, STRIDES[-1], padding=1))
        self.layers = nn.Sequential(*layers)
        for layer in layers:
            _initialise(layer, generator)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return y


def _initialise(layer: nn.Module, generator: torch.Generator | None) -> None:
    match layer:
        case nn.Conv3d():
            nn.init.normal_(layer.weight, 0, INIT_STD, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        case nn.BatchNorm3d():
            nn.init.normal_(layer.weight, 1, INIT_STD, generator=generator)
            nn.init.zeros_(layer.bias)
