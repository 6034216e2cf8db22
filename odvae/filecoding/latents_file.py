"""Latents of a video in a safetensors file, written and read a few at a time.

Two tensors: ``latents``, float32 (t, C, h, w), time first so that latents are added at the end;
and ``pts``, int64 (frames,), the times of the frames in ticks. The metadata says the rest. Such a
file begins with a header that names the sizes of the tensors: room is left for it.
"""

import json
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from odvae.errors import UserError
from odvae.filecoding.reader import Timing
from odvae.inference import TilingConfig, TilingMode
from odvae.model import VideoVAE
from odvae.model.atomic import replacing
from odvae.vaes import Loaded

FORMAT = "odvae.latents.1"
_LATENTS, _TIMES = "latents", "pts"
_HEADER_BYTES = 1 << 14  # with room to spare: spaces may follow the header
_READ_LATENTS = 8  # at a time


@dataclass(frozen=True, kw_only=True)
class LatentsHeader:
    """What is needed to decode latents, beside the VAE itself."""

    height_px: int
    width_px: int
    rate: str  # frames per second, a fraction
    time_base: str  # seconds a tick, a fraction
    pixel_aspect: str  # width of a pixel to its height, a fraction
    vae: str  # as it was named
    vae_digest: str  # of its function
    vae_sha256: str  # of its weights file
    vae_revision: str | None  # the hub's commit
    compression: str  # pixels a latent
    latent_scale: list[float]  # for diffusion: (z - shift) * scale; the file holds z
    latent_shift: list[float]
    tiling: dict[str, Any]  # mode, and the fields that it reads
    odvae: str  # version

    @property
    def timing(self) -> Timing:
        """How the frames follow each other."""
        return Timing(rate=Fraction(self.rate), time_base=Fraction(self.time_base))

    @property
    def pixel_shape(self) -> Fraction:
        """Width of a pixel to its height."""
        return Fraction(self.pixel_aspect)

    @property
    def tiling_config(self) -> TilingConfig:
        """As it was when the latents were made."""
        fields = {name: value for name, value in self.tiling.items() if name != "mode"}
        return TilingConfig(mode=TilingMode(self.tiling["mode"]), **fields)


def header_of(
    loaded: Loaded,
    tiling: TilingConfig,
    *,
    size_px: tuple[int, int],
    timing: Timing,
    pixel_aspect: Fraction,
) -> LatentsHeader:
    """The header of a file of latents that is to be made now."""
    vae: VideoVAE = loaded.vae
    return LatentsHeader(
        height_px=size_px[0],
        width_px=size_px[1],
        rate=str(timing.rate),
        time_base=str(timing.time_base),
        pixel_aspect=str(pixel_aspect),
        vae=loaded.source,
        vae_digest=loaded.digest,
        vae_sha256=loaded.sha256,
        vae_revision=loaded.revision,
        compression=str(vae.compression),
        latent_scale=list(vae.latent_scaling.scale),
        latent_shift=list(vae.latent_scaling.shift),
        tiling={"mode": tiling.mode.value, **asdict(tiling.build())},
        odvae=version("odvae"),
    )


class LatentsWriter:
    """Latents and times into a file. Made by ``writing_latents``."""

    def __init__(self, file: IO[bytes], header: LatentsHeader) -> None:
        self._file, self._header = file, header
        self._times = array("q")  # eight bytes a frame, the one thing that grows
        self.shape: list[int] = []  # (t, C, h, w) so far
        file.write(b"\0" * (8 + _HEADER_BYTES))

    def add(self, latents: Tensor) -> None:
        """The next latents, float32 (1, C, n, h, w)."""
        by_time = latents[0].transpose(0, 1).contiguous().cpu()  # (n, C, h, w)
        before = self.shape[0] if self.shape else 0
        self.shape = [before + by_time.shape[0], *by_time.shape[1:]]
        self._file.write(by_time.numpy().astype("<f4", copy=False).tobytes())

    def add_time(self, pts: int) -> None:
        """When the next frame is shown, in ticks."""
        self._times.append(pts)

    @property
    def frames(self) -> int:
        """Frames so far."""
        return len(self._times)

    def finish(self) -> None:
        """Write the times and the header."""
        latents_end = self._file.tell() - 8 - _HEADER_BYTES
        times_end = latents_end + self._times.itemsize * len(self._times)
        self._times.tofile(self._file)
        header = {
            "__metadata__": {"format": FORMAT, "odvae": json.dumps(asdict(self._header))},
            _LATENTS: {"dtype": "F32", "shape": self.shape, "data_offsets": [0, latents_end]},
            _TIMES: {
                "dtype": "I64",
                "shape": [len(self._times)],
                "data_offsets": [latents_end, times_end],
            },
        }
        text = json.dumps(header).encode()
        assert len(text) <= _HEADER_BYTES, "the header of a latents file has a bounded size"
        self._file.seek(0)
        self._file.write(_HEADER_BYTES.to_bytes(8, "little") + text.ljust(_HEADER_BYTES))


@contextmanager
def writing_latents(path: Path, header: LatentsHeader) -> Iterator[LatentsWriter]:
    """Write a file of latents: it is there once it is whole, and not before.

    Raises:
        UserError: it cannot be written.
    """
    try:
        with replacing(path) as part, part.open("wb") as file:
            writer = LatentsWriter(file, header)
            yield writer
            writer.finish()
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error


@dataclass(frozen=True)
class LatentsFile:
    """A file of latents, opened anew for each piece: a mapping would keep what was read."""

    path: Path
    header: LatentsHeader
    latents: int
    frames: int

    def read(self) -> Iterator[Tensor]:
        """All latents in order, float32 (1, C, n, h, w)."""
        for start in range(0, self.latents, _READ_LATENTS):
            part = self._slice(_LATENTS, start, _READ_LATENTS)  # (n, C, h, w)
            yield part.transpose(0, 1)[None]

    def times(self) -> Iterator[int]:
        """When each frame is shown, in ticks."""
        for start in range(0, self.frames, 1024):
            yield from map(int, self._slice(_TIMES, start, 1024))

    def _slice(self, name: str, start: int, count: int) -> Tensor:
        with safe_open(self.path, framework="pt") as file:
            part: Tensor = file.get_slice(name)[start : start + count].clone()
        return part


def open_latents(path: Path) -> LatentsFile:
    """Read the header of a file of latents. Raises UserError if it is none."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise UserError(f"{path}: no latents written by odvae encode")
            latents = file.get_slice(_LATENTS).get_shape()[0]
            frames = file.get_slice(_TIMES).get_shape()[0]
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: cannot be read as latents ({error})") from error
    return LatentsFile(path, LatentsHeader(**json.loads(metadata["odvae"])), latents, frames)
