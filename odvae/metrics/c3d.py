"""C3D (Tran et al. 2015), whose class probabilities make an Inception Score of videos.

No file of its weights is published with a hash, so it is used only with a checkpoint that the user
names. Clips are (B, 3, T, H, W) in [-1, 1].
"""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from odvae.errors import UserError
from odvae.metrics import weights
from odvae.metrics.pixels import unit_range

FRAMES = 16
RESIZE_PX = 128
CROP_PX = 112
BGR_MEAN = (90.25164795, 97.65701294, 101.4083252)  # on [0, 255], of UCF101, by channel
UCF101_CLASSES = 101


class C3d(nn.Module):
    """Eight 3x3x3 convolutions, five poolings, three linear layers; layers have published names.

    Pooling takes what is left at an edge too (7 px become 4), as in the published Caffe network.

    Args:
        classes: 101 for UCF101, 487 for Sports-1M.
    """

    def __init__(self, classes: int = UCF101_CLASSES) -> None:
        super().__init__()
        self.conv1a = _conv(3, 64)
        self.conv2a = _conv(64, 128)
        self.conv3a = _conv(128, 256)
        self.conv3b = _conv(256, 256)
        self.conv4a = _conv(256, 512)
        self.conv4b = _conv(512, 512)
        self.conv5a = _conv(512, 512)
        self.conv5b = _conv(512, 512)
        self.fc6 = nn.Linear(512 * 4 * 4, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, classes)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.fc8.out_features

    def forward(self, seen: Tensor) -> Tensor:
        """Logits (B, classes) of clips (B, 3, 16, 112, 112) as ``c3d_shown`` makes them."""
        x = _pool(F.relu(self.conv1a(seen)), frames=1)
        x = _pool(F.relu(self.conv2a(x)), frames=2)
        x = _pool(F.relu(self.conv3b(F.relu(self.conv3a(x)))), frames=2)
        x = _pool(F.relu(self.conv4b(F.relu(self.conv4a(x)))), frames=2)
        x = _pool(F.relu(self.conv5b(F.relu(self.conv5a(x)))), frames=2)
        x = F.relu(self.fc6(x.flatten(1)))
        logits: Tensor = self.fc8(F.relu(self.fc7(x)))
        return logits

    @torch.no_grad()
    def probabilities(self, clips: Tensor) -> Tensor:
        """Class probabilities (B, classes) in float64 of clips (B, 3, T, H, W) in [-1, 1].

        Raises:
            UserError: the clips have fewer than 16 frames.
        """
        logits: Tensor = self(c3d_shown(clips))
        return logits.double().softmax(dim=1)


def load_c3d() -> C3d:
    """C3D with the checkpoint that ODVAE_C3D names, in eval mode on the CPU.

    Raises:
        WeightsMissing: no checkpoint is named, or it is not there.
        UserError: the file is no C3D checkpoint.
    """
    path = weights.fetch("c3d")
    tensors = read_checkpoint(path)
    with torch.device("meta"):  # no random weights are drawn
        network = C3d(_classes(path, tensors))
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    got = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in sorted(expected.keys() | got.keys()):
        if expected.get(name) != got.get(name):
            what = (
                f"{name} is {got.get(name, 'missing')}, not {expected.get(name, 'of the network')}"
            )
            raise UserError(f"weights c3d: {path} is no C3D checkpoint: {what}")
    network.load_state_dict(tensors, assign=True)
    return network.eval().requires_grad_(False)


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Tensors of a checkpoint in float32, by names such as ``conv1a.weight``; runs no code from it.

    Takes safetensors, a torch state dict, or the .npz that TGAN's evaluation uses, with arrays
    ``conv1a/W``, ``conv1a/b``, ..., ``fc8/b``.

    Raises:
        UserError: none of these.
    """
    try:
        match path.suffix:
            case ".npz":
                with np.load(path, allow_pickle=False) as arrays:
                    found = {_torch_name(name): torch.from_numpy(arrays[name]) for name in arrays}
            case ".safetensors":
                found = load_file(path)
            case _:
                found = torch.load(path, map_location="cpu", weights_only=True)
    except (
        OSError,
        ValueError,
        RuntimeError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        SafetensorError,
    ) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"weights c3d: {path} cannot be read: {reason}") from error
    if not isinstance(found, dict) or not all(isinstance(t, Tensor) for t in found.values()):
        raise UserError(
            f"weights c3d: {path} must hold tensors by name, got {type(found).__name__}"
        )
    return {name: tensor.float() for name, tensor in found.items()}


def c3d_shown(clips: Tensor) -> Tensor:
    """What C3D is shown of clips (B, 3, T, H, W) in [-1, 1]: (B, 3, 16, 112, 112).

    The first 16 frames, resized to 128x128 (bicubic) and cropped to the centre, in BGR on [0, 255]
    less the mean of each channel. (TGAN's evaluation subtracts the mean of each pixel instead.)

    Raises:
        UserError: fewer than 16 frames.
    """
    frames = clips.shape[2]
    if frames < FRAMES:
        raise UserError(
            f"inception_score: C3D needs clips of at least {FRAMES} frames, got {frames}"
        )
    images = 255 * unit_range(clips[:, :, :FRAMES]).float().transpose(1, 2)  # (B, T, C, H, W)
    batch = len(images)
    images = F.interpolate(
        images.flatten(0, 1), size=(RESIZE_PX, RESIZE_PX), mode="bicubic", align_corners=False
    )
    edge = (RESIZE_PX - CROP_PX) // 2
    images = images[:, :, edge : edge + CROP_PX, edge : edge + CROP_PX].flip(1)
    images = images - torch.tensor(BGR_MEAN, device=images.device).view(3, 1, 1)
    seen: Tensor = images.unflatten(0, (batch, FRAMES)).transpose(1, 2)
    return seen


def _conv(channels: int, filters: int) -> nn.Conv3d:
    return nn.Conv3d(channels, filters, kernel_size=3, padding=1)


def _pool(x: Tensor, *, frames: int) -> Tensor:
    return F.max_pool3d(x, (frames, 2, 2), ceil_mode=True)


def _torch_name(name: str) -> str:
    layer, _, kind = name.strip("/").rpartition("/")
    return f"{layer}.{ {'W': 'weight', 'b': 'bias'}.get(kind, kind) }"


def _classes(path: Path, tensors: dict[str, Tensor]) -> int:
    if "fc8.bias" not in tensors:
        raise UserError(f"weights c3d: {path} is no C3D checkpoint: fc8.bias is missing")
    return tensors["fc8.bias"].numel()
