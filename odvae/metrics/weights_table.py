"""The published weights that metrics use, one row each: file, sha256, size, address."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WeightsFile:
    """One published file: its name, hash and size, and where it is published, if anywhere."""

    name: str
    sha256: str
    size_bytes: int
    url: str | None


@dataclass(frozen=True)
class Weights:
    """Weights by name; any one of the files will do, the first that is found is used."""

    name: str
    files: tuple[WeightsFile, ...]
    used_for: str


def _torchvision(name: str, sha256: str, size_bytes: int) -> WeightsFile:
    return WeightsFile(name, sha256, size_bytes, f"https://download.pytorch.org/models/{name}")


_ROWS = (
    Weights(
        "alexnet",
        (
            _torchvision(
                "alexnet-owt-7be5be79.pth",
                "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
                244_408_911,
            ),
        ),
        used_for="lpips_alex",
    ),
    Weights(
        "vgg16",
        (
            _torchvision(
                "vgg16-397923af.pth",
                "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
                553_433_881,
            ),
        ),
        used_for="lpips_vgg",
    ),
    Weights(
        "squeezenet",
        (
            _torchvision(
                "squeezenet1_1-b8a52dc0.pth",
                "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
                4_958_839,
            ),
            WeightsFile(  # the same weights rounded to fp16: LPIPS moves by at most 5e-5
                "squeezenet1_1_torchvision_fp16rounded.pth",
                "a0a1f9a72af7a14293237e31c51a97afaf0f74f1e39330650d334c94d8c44560",
                4_960_147,
                url=None,
            ),
        ),
        used_for="lpips_squeeze",
    ),
    Weights(
        "i3d",
        (
            WeightsFile(
                "i3d_torchscript.pt",
                "bec6519f66ea534e953026b4ae2c65553c17bf105611c746d904657e5860a5e2",
                51_235_320,
                "https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt?dl=1",
            ),
        ),
        used_for="fvd",
    ),
)
TABLE = {row.name: row for row in _ROWS}
"""Weights by name."""
