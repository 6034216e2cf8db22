"""diffusers' VAEs under odvae's protocol, and from their folders. Tensors are (B, C, T, H, W)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from odvae.errors import UserError
from odvae.model import Encoding
from odvae.model.mismatch import check_shapes
from odvae.model.saved import read_config
from odvae.vaes.diffusers_row import DiffusersRow
from odvae.vaes.diffusers_table import DIFFUSERS_ROWS
from odvae.vaes.files import CONFIG_FILE, weight_files
from odvae.vaes.reading import read_tensors

# What constructors raise over a value that they were not made for.
_BAD_VALUE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,  # a loop over nothing
    RuntimeError,
    TypeError,
    ValueError,
)
# Attention of models saved before 2023, as VQModel's.
_OLD_NAMES = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v."}
_OLD_NAMES |= {".proj_attn.": ".to_out.0."}


class DiffusersVAE(nn.Module):
    """A VAE of diffusers, which codes clips in one piece (none of its own tilings is switched on).

    Its properties are those of ``odvae.model.VideoVAE``; ``name`` is its class in diffusers.

    Args:
        vae: an instance of a class in ``DIFFUSERS_ROWS``, with its weights.

    Raises:
        UserError: an instance of another class, or one that cannot be used.
    """

    def __init__(self, vae: nn.Module) -> None:
        super().__init__()
        row = _row(type(vae).__name__)
        row.prepare(vae)
        config: Any = vae.config
        self.vae = vae
        self.name = row.class_name
        self.compression = row.compression(config)
        self.clip_lengths = row.clip_lengths(config, self.compression)
        self.latent_channels = row.latent_channels(config)
        self.latent_scaling = row.latent_scaling(vae, self.latent_channels)
        self.input_range = (-1.0, 1.0)
        self._row = row

    def encode(self, video: Tensor) -> Encoding:
        """Encode a clip.

        Args:
            video: (B, 3, T, H, W) in [-1, 1], T one of ``clip_lengths``, H and W multiples of
                ``compression``.

        Returns:
            The posterior of latents (B, C, t, h, w), or the latents of a class without one.

        Raises:
            ValueError: a size that the model would have to cut.
            UserError: the model codes another size than its configuration says.
        """
        if video.ndim != 5 or video.shape[1] != 3:
            raise ValueError(f"video must be (B, 3, T, H, W), got {tuple(video.shape)}")
        frames, height, width = video.shape[2:]
        by = self.compression
        self._check_frames(frames)
        if height % by.height or width % by.width:
            raise ValueError(
                f"height and width must be multiples of {by.height} and {by.width}, "
                f"got {height}x{width}"
            )
        encoding = self._row.encoding(self._row.moments(self.vae, video))
        size = (-(-frames // by.time), height // by.height, width // by.width)
        self._check_size(encoding.mode(), (self.latent_channels, *size))
        return encoding

    def decode(self, latents: Tensor) -> Tensor:
        """Decode latents (B, C, t, h, w) to pixels (B, 3, T, H, W).

        Raises:
            ValueError: not latents of a clip that the model takes.
            UserError: the model codes another size than its configuration says.
        """
        if latents.ndim != 5 or latents.shape[1] != self.latent_channels:
            raise ValueError(
                f"latents must be (B, {self.latent_channels}, t, h, w), got {tuple(latents.shape)}"
            )
        by = self.compression
        frames = self.clip_lengths.first + (latents.shape[2] - 1) * by.time
        self._check_frames(frames)
        video = self._row.decode(self.vae, latents)
        height, width = latents.shape[3:]
        self._check_size(video, (3, frames, height * by.height, width * by.width))
        return video

    def _check_frames(self, frames: int) -> None:
        if not self.clip_lengths.takes(frames):
            raise ValueError(f"video must have T = {self.clip_lengths} frames, got T={frames}")

    def _check_size(self, coded: Tensor, size: tuple[int, ...]) -> None:
        """A configuration can promise what its networks do not do; a cut clip must not pass."""
        if coded.shape[1:] != size:
            raise UserError(
                f"{self.name}: by its configuration ({self.compression}) the result must be "
                f"{size}, it is {tuple(coded.shape[1:])}"
            )


def from_diffusers_folder(folder: Path, *, weights: Sequence[Path] = ()) -> DiffusersVAE:
    """Load a folder saved by diffusers, strictly, in evaluation mode and float32.

    Args:
        folder: with config.json, and the weights unless they are given.
        weights: one file, or all shards of one.

    Raises:
        UserError: no such folder, a class not in the table, a damaged file, a value that the class
            does not take, or tensors that do not fit.
    """
    file = folder / CONFIG_FILE
    if not file.is_file():
        raise UserError(f"{file}: no such file; expected a folder saved by diffusers")
    config = read_config(file)
    row = _row(config.pop("_class_name", None), where=f"{file}: _class_name")
    with _blaming(file):
        vae = new_instance(row.class_name, config)
    files = weights or _weights_in(folder)
    tensors = {name: x for part in files for name, x in read_tensors(part).items()}
    _fill(vae, tensors, what=str(folder))
    with _blaming(file):
        return DiffusersVAE(vae).eval()


def new_instance(class_name: str, config: Mapping[str, object]) -> nn.Module:
    """An instance of a class of the table, in float32; what a configuration leaves out is default.

    Raises:
        UserError: a class that is not in the table.
    """
    import diffusers  # takes seconds

    # The name is the table's: a configuration chooses among its rows and can name no other code.
    vae: nn.Module = getattr(diffusers, _row(class_name).class_name).from_config(config)
    return vae.float()


def _row(class_name: object, *, where: str = "a VAE of diffusers") -> DiffusersRow:
    row = DIFFUSERS_ROWS.get(class_name) if isinstance(class_name, str) else None
    if row is None:
        known = ", ".join(DIFFUSERS_ROWS)
        raise UserError(f"{where} must be one of {known}, got {class_name!r}")
    return row


@contextmanager
def _blaming(file: Path) -> Iterator[None]:
    """What a bad value of a configuration raises becomes a UserError that names the file."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{file}: {error}") from error
    except _BAD_VALUE as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f"{file}: a value that the class does not take ({said})") from error


def _weights_in(folder: Path) -> list[Path]:
    names = [entry.name for entry in folder.iterdir() if entry.is_file()]
    return [folder / name for name in weight_files(names, where=str(folder))]


def _fill(vae: nn.Module, tensors: dict[str, Tensor], *, what: str) -> None:
    own = vae.state_dict()
    named = {name if name in own else _new_name(name): x for name, x in tensors.items()}
    check_shapes(
        expected={name: tuple(tensor.shape) for name, tensor in own.items()},
        got={name: tuple(tensor.shape) for name, tensor in named.items()},
        what=what,
    )
    vae.load_state_dict(named)


def _new_name(name: str) -> str:
    for old, new in _OLD_NAMES.items():
        name = name.replace(old, new)
    return name
