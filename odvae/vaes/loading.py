"""Any VAE from anywhere: what a source is, what its weights are of, and the model of them."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from torch import Tensor

from odvae.errors import UserError
from odvae.hashing import file_sha256
from odvae.model import VideoVAE
from odvae.model.checkpoint import build, check_stored, recognise_image, recognise_official
from odvae.model.names import is_diffusers
from odvae.model.saved import (
    WEIGHTS_FILE,
    StoredVAE,
    architecture_config,
    read_config,
    read_folder,
)
from odvae.vaes import image, official
from odvae.vaes.configs import stated_norm_groups
from odvae.vaes.files import CONFIG_FILE, is_described, named_files, weight_files
from odvae.vaes.hub import HubId, download
from odvae.vaes.reading import read_tensors

_BESIDE_THE_FUNCTION = ("_diffusers_version", "_name_or_path")  # fields of diffusers
# Kernels of ours that other video VAEs call otherwise.
_OWN_PROBES = ("encoder.mid.block_1.conv1.weight", "decoder.mid.block_1.conv1.weight")


class Form(Enum):
    """How weights are stored."""

    odvae = "odvae's own folder"
    official = "the released OD-VAE's form"
    compvis = "SD-VAE in CompVis' names"
    diffusers = "SD-VAE as diffusers' AutoencoderKL"


@dataclass(frozen=True, kw_only=True)
class Found:
    """The files of a source."""

    source: str
    folder: Path
    weights: list[Path]  # one, or the shards of one
    config: Mapping[str, object] = field(default_factory=dict)  # empty: there is none
    revision: str | None = None  # the hub's commit

    @property
    def class_name(self) -> str | None:
        """The class that a configuration in diffusers' style names."""
        name = self.config.get("_class_name")
        return None if name is None else str(name)

    @property
    def is_foreign(self) -> bool:
        """Whether it is a VAE of diffusers that is neither an OD-VAE nor an SD-VAE."""
        return self.class_name not in (None, official.CLASS_NAME, image.CLASS_NAME)

    @property
    def sha256(self) -> str:
        """Of the weights file; of shards, that of the list of theirs."""
        hashes = [file_sha256(file) for file in self.weights]
        if len(hashes) == 1:
            return hashes[0]
        return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A VAE and where it is from."""

    vae: VideoVAE  # float32, in evaluation mode, on the CPU
    source: str
    revision: str | None  # the hub's commit; None: a local file
    sha256: str  # of the weights file
    digest: str  # of the function: the weights file, and all that says what is done with it


def load(source: str | Path) -> VideoVAE:
    """Load a VAE, strictly, in evaluation mode, as float32 on the CPU. No code in it is run.

    Args:
        source: one of
            a folder written by ``vae.save``;
            the released OD-VAE: .ckpt, .pt, .pth, .bin or .safetensors, or a folder that holds it;
            a 2D SD-VAE: a folder of diffusers, .safetensors, or CompVis' .ckpt;
            a folder of another VAE of diffusers, if odvae knows its class;
            ``owner/name``, ``owner/name/subfolder`` of the hub, ``@revision`` behind it or not.

    Raises:
        UserError: there is nothing, it is damaged, would run code, or does not fit exactly.
    """
    return open_vae(source).vae


def open_vae(source: str | Path) -> Loaded:
    """``load``, with the facts that identify the weights."""
    found = find(source)
    vae: VideoVAE
    if found.is_foreign:
        from odvae.vaes.diffusers_vae import from_diffusers_folder

        vae = from_diffusers_folder(found.folder, weights=found.weights)
        fields = {k: v for k, v in found.config.items() if k not in _BESIDE_THE_FUNCTION}
    else:
        vae = build(read(found)[0])
        fields = architecture_config(vae.architecture)
    canonical = json.dumps([found.sha256, fields], sort_keys=True)
    return Loaded(
        vae=vae,
        source=found.source,
        revision=found.revision,
        sha256=found.sha256,
        digest=hashlib.sha256(canonical.encode()).hexdigest(),
    )


def find(source: str | Path) -> Found:
    """The files of a source, downloaded if they are on the hub. Raises UserError without any."""
    text = str(source)
    try:
        found = _find_here(text)
    except OSError as error:
        raise UserError(f"{text}: cannot be read ({error.strerror})") from error
    if found is not None:
        return found
    hub_id = HubId.parse(text) if isinstance(source, str) else None
    if hub_id is None:
        raise UserError(f"{text}: no such folder, no such file")
    downloaded = download(hub_id, source=text)
    return _found(text, downloaded.weights, named=hub_id.file, revision=downloaded.revision)


def _find_here(text: str) -> Found | None:
    path = Path(text).expanduser()
    if text and path.is_dir():
        names = [entry.name for entry in path.iterdir() if entry.is_file()]
        return _found(text, [path / name for name in weight_files(names, where=text)])
    if path.is_file():
        names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
        files = named_files(path.name, names, where=text)
        return _found(text, [path.with_name(name) for name in files], named=path.name)
    return None


def read(found: Found) -> tuple[StoredVAE, Form]:
    """The OD-VAE or SD-VAE in the files, checked, as they hold it: no type is changed.

    Raises:
        UserError: it is another VAE, damaged, or does not fit exactly.
    """
    if found.is_foreign:
        raise UserError(
            f"{found.source}: neither an OD-VAE nor an SD-VAE, but {found.class_name} of diffusers"
        )
    if len(found.weights) > 1:
        raise UserError(f"{found.source}: an OD-VAE or SD-VAE is one file, not several shards")
    if _is_own(found.config):
        stored = read_folder(found.folder)
        check_stored(stored, what=str(found.folder / WEIGHTS_FILE))
        return stored, Form.odvae
    if found.config and found.class_name is None:
        raise UserError(f"{found.folder / CONFIG_FILE}: not a configuration of odvae or diffusers")
    file = found.weights[0]
    tensors = read_tensors(file)
    if found.class_name is None:
        with _told_of(file):
            form = _form(tensors)
    else:
        form = Form.official if found.class_name == official.CLASS_NAME else Form.diffusers
    return _recognised(tensors, form, found), form


def _found(
    source: str, weights: list[Path], *, named: str | None = None, revision: str | None = None
) -> Found:
    """The files, and the config.json beside them if it describes what was ``named``: see below.

    A file's config.json counts if the file is called as its format has it; our own describes
    model.safetensors alone. Without a name it was the folder that was asked for.
    """
    folder = weights[0].parent
    file = folder / CONFIG_FILE
    has_config = named is None or is_described(named)
    config = read_config(file) if has_config and file.is_file() else {}
    if _is_own(config):
        if named in (None, WEIGHTS_FILE):
            weights = [folder / WEIGHTS_FILE]
        else:
            config = {}
    return Found(source=source, folder=folder, weights=weights, config=config, revision=revision)


def _is_own(config: Mapping[str, object]) -> bool:
    return "operators" in config


def _form(tensors: Mapping[str, Tensor]) -> Form:
    """The form of tensors that come without a configuration."""
    causal = [name for name, tensor in tensors.items() if tensor.ndim == 5]
    if causal and all(name.endswith(".conv.weight") for name in causal):
        return Form.official
    if not causal:
        if is_diffusers(tensors):
            return Form.diffusers
        if "encoder.down.0.block.0.conv1.weight" in tensors:
            return Form.compvis
    elif all(name in tensors for name in _OWN_PROBES):
        raise UserError("tensors of odvae's own folder; its config.json is needed beside them")
    raise UserError(
        "neither an OD-VAE nor an SD-VAE, by the names of its tensors; another VAE needs the "
        "config.json of diffusers beside it"
    )


def _recognised(tensors: Mapping[str, Tensor], form: Form, found: Found) -> StoredVAE:
    """The model of tensors, and nothing that a configuration beside them contradicts."""
    is_official = form is Form.official
    with _told_of(found.folder / CONFIG_FILE):
        groups = stated_norm_groups(found.config)
        if not is_official:
            image.check_kind(found.config)
    with _told_of(found.weights[0]):
        recognise = recognise_official if is_official else recognise_image
        stored = recognise(tensors, norm_groups=groups)
    with _told_of(found.folder / CONFIG_FILE):
        check = official.check_config if is_official else image.check_sizes
        check(found.config, stored.architecture)
    return stored


@contextmanager
def _told_of(file: Path) -> Iterator[None]:
    """Errors in the block name the file."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{file}: {error}") from error
