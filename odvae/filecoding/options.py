"""What the commands that code files can be told: which VAE, which tiling, where to compute."""

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass, fields
from pathlib import Path

from torch import nn

from odvae.acceleration import accelerate
from odvae.errors import UserError
from odvae.filecoding.coder import FileCoder
from odvae.inference import TilingConfig, TilingMode
from odvae.model import ODVAE, VideoVAE
from odvae.model.interface import StreamingVAE
from odvae.training.image_source import BUNDLED
from odvae.training.precision import Arithmetic, Device, Precision, resolve
from odvae.vaes import Loaded, open_vae

BUNDLED_NAME = "bundled"
_TILING_FIELDS = {"group_frames": int, "tile_px": int, "overlap": float, "chunk_frames": int}
_HELP = {
    "group_frames": "frames of a group, 4m+1; for temporal and spatiotemporal",
    "tile_px": "side of a tile, a multiple of 8; for spatiotemporal",
    "overlap": "shared part of a tile's side, 0 to 0.5; for spatiotemporal",
    "chunk_frames": "frames handed in at a time; for stream",
}


@dataclass(frozen=True)
class Chosen:
    """What was asked for, made ready."""

    loaded: Loaded
    tiling: TilingConfig
    coder: FileCoder

    @property
    def told(self) -> list[str]:
        """The choices in words."""
        config = self.tiling
        read = ", ".join(f"{name} {value}" for name, value in vars(config.build()).items())
        vae = self.loaded.source
        note = ": small, frame by frame; --vae names another" if vae == BUNDLED_NAME else ""
        return [f"vae      {vae}{note}", f"tiling   {config.mode.value}{read and ', '}{read}"]


def add_options(parser: ArgumentParser, *, of_file: bool = False) -> None:
    """Add the options; with ``of_file`` a file of latents says what is left open."""
    default = "that of the latents" if of_file else "a small image VAE that comes with odvae"
    parser.add_argument(
        "--vae",
        metavar="SOURCE",
        help=f"anything odvae.load takes: a file, a folder, owner/name of the hub ({default})",
    )
    exact = "stream where the VAE can, else temporal"
    parser.add_argument(
        "--tiling",
        choices=[mode.value for mode in TilingMode],
        help="how the video is cut. temporal and spatiotemporal: approximate, constant memory; "
        "stream: exact, constant memory; off: exact, the memory grows with the video "
        f"({'that of the latents' if of_file else exact})",
    )
    defaults = TilingConfig()
    for name, kind in _TILING_FIELDS.items():
        text = f"{_HELP[name]} ({getattr(defaults, name)})"
        parser.add_argument(_flag(name), type=kind, metavar=name.upper().split("_")[-1], help=text)
    for option, kinds in (("--device", Device), ("--precision", Precision)):
        values = [kind.value for kind in kinds]
        parser.add_argument(option, choices=values, default="auto", help="as trainer.* of a run")
    parser.add_argument(
        "--plain",
        action="store_true",
        help="the model as it stands, not odvae.accelerate's: slower",
    )


def choose(
    given: Namespace, *, vae: str = BUNDLED_NAME, tiling: TilingConfig | None = None
) -> Chosen:
    """Load the VAE and settle the tiling. The keywords hold where nothing was given.

    Raises:
        UserError: no such VAE, a value out of range, or a tiling that the VAE does not take.
    """
    arithmetic = resolve(Device(given.device), Precision(given.precision))
    loaded = _open(given.vae or vae)
    assert isinstance(loaded.vae, nn.Module)
    loaded.vae.to(arithmetic.device)
    config = _tiling(given, loaded.vae, before=tiling)
    vae_at_work = loaded.vae if given.plain else _accelerated(loaded.vae, arithmetic)
    return Chosen(loaded, config, FileCoder(vae_at_work, config.build(), arithmetic))


def _accelerated(vae: VideoVAE, arithmetic: Arithmetic) -> VideoVAE:
    """The same function, faster: of our models, where that was measured, on a CPU in float32."""
    measured = arithmetic.device.type == "cpu" and arithmetic.precision is Precision.fp32
    return accelerate(vae) if isinstance(vae, ODVAE) and measured else vae


def _open(source: str) -> Loaded:
    if source != BUNDLED_NAME:
        return open_vae(source)
    bundled = open_vae(BUNDLED)
    return Loaded(
        vae=bundled.vae,
        source=BUNDLED_NAME,
        revision=None,
        sha256=bundled.sha256,
        digest=bundled.digest,
    )


def _tiling(given: Namespace, vae: VideoVAE, *, before: TilingConfig | None) -> TilingConfig:
    asked = {name: getattr(given, name) for name in _TILING_FIELDS}
    asked = {name: value for name, value in asked.items() if value is not None}
    if given.tiling is not None:
        mode = TilingMode(given.tiling)
    else:
        mode = _constant_memory(vae) if before is None else before.mode
    kept = {} if before is None else {f.name: getattr(before, f.name) for f in fields(before)}
    config = TilingConfig(**{**kept, **asked, "mode": mode})
    for name in sorted(config.unread() & asked.keys()):
        raise UserError(f"{_flag(name)} means nothing with --tiling {mode.value}")
    return config


def _constant_memory(vae: VideoVAE) -> TilingMode:
    """The best tiling for a video of any length."""
    is_exact = isinstance(vae, StreamingVAE) and vae.whole_only is None
    return TilingMode.stream if is_exact else TilingMode.temporal


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def path_of(text: str) -> Path:
    """A path from the command line."""
    return Path(text).expanduser()
