"""The weights that metrics use, one row each: file, sha256, size, address; or the user's own."""

from dataclasses import dataclass

PREFIX_DIGITS = 8  # of a sha256, in the names of files


@dataclass(frozen=True)
class WeightsFile:
    """One published file: its name, hash and size, and where it is published, if anywhere.

    Of some files only the start of the hash is published, in their names, with a rounded size: the
    start is then what is checked (as torch.hub does).
    """

    name: str
    sha256: str | None  # None: only its start is published
    size_bytes: int  # checked where sha256 is known
    url: str | None
    sha256_prefix: str = ""  # the published start of a sha256 that is not published in full

    def __post_init__(self) -> None:
        if len(self.known_sha256) < PREFIX_DIGITS:
            raise ValueError(f"{self.name} needs at least {PREFIX_DIGITS} digits of its sha256")

    @property
    def known_sha256(self) -> str:
        """What is published of the sha256: all of it, or its start."""
        return self.sha256 or self.sha256_prefix


@dataclass(frozen=True)
class Weights:
    """Weights by name; any one of the files will do, the first that is found is used.

    Weights that are published nowhere have no files: they are used only where the user names one
    in an environment variable, and whoever reports a number tells that file's hash.
    """

    name: str
    files: tuple[WeightsFile, ...]
    used_for: str
    path_variable: str | None = None  # names the user's file of weights that have no files here


def _torchvision(name: str, sha256: str, size_bytes: int) -> WeightsFile:
    return WeightsFile(name, sha256, size_bytes, f"https://download.pytorch.org/models/{name}")


def _video(network: str, sha256_prefix: str, *, size_mib: float) -> Weights:
    """One of torchvision's video networks, with the size that it publishes."""
    name = f"{network}-{sha256_prefix}.pth"
    file = WeightsFile(
        name,
        sha256=None,
        size_bytes=round(size_mib * 2**20),
        url=f"https://download.pytorch.org/models/{name}",
        sha256_prefix=sha256_prefix,
    )
    return Weights(network, (file,), used_for=f"frechet_{network}")


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
        "raft_small",
        (
            _torchvision(
                "raft_small_C_T_V2-01064c6d.pth",
                "01064c6dba73b0fc9fc8edf772248560a00a3acfd62ac6677e9eeebad9680e27",
                4_006_189,
            ),
        ),
        used_for="warped_error",
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
    _video("r3d_18", "b3b3357e", size_mib=127.359),
    _video("mc3_18", "a90a0ba3", size_mib=44.672),
    _video("r2plus1d_18", "91a641e6", size_mib=120.318),
    _video("s3d", "d76dad2f", size_mib=31.972),
    _video("mvit_v2_s", "ae3be167", size_mib=131.884),
    _video("swin3d_t", "7615ae03", size_mib=121.543),
    Weights("c3d", files=(), used_for="inception_score", path_variable="ODVAE_C3D"),
)
TABLE = {row.name: row for row in _ROWS}
"""Weights by name."""
