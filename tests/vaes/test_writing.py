"""Forms that are written: every bit comes back, and nothing half-written stays."""

import json
import os
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import odvae
from odvae.errors import UserError
from odvae.model import (
    IMAGE,
    ODVAE,
    TEMPORAL_DECODER,
    Architecture,
    Operators,
)
from odvae.model.saved import StoredVAE
from odvae.vaes.files import SUFFIXES
from odvae.vaes.loading import find, read
from odvae.vaes.reading import read_tensors
from odvae.vaes.writing import Target, write
from tests.sampling import first

DTYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float64]
AS_INTEGER = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def _bits(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """For comparison: NaNs differ from each other, their bits do not."""
    return {name: t.view(AS_INTEGER[t.element_size()]) for name, t in tensors.items()}


def _stored(architecture: Architecture, dtype: torch.dtype = torch.float32) -> StoredVAE:
    """Any bits at all."""
    generator = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        shapes = {name: t.shape for name, t in ODVAE(architecture).state_dict().items()}
    integer = AS_INTEGER[dtype.itemsize]
    info = torch.iinfo(integer)
    return StoredVAE(
        architecture,
        {
            name: torch.randint(info.min, info.max, shape, dtype=integer, generator=generator).view(
                dtype
            )
            for name, shape in shapes.items()
        },
    )


def _tiny(variant: int, **fields: int | str) -> Architecture:
    operators = Operators.strict if variant == IMAGE else Operators.paper
    sizes: dict[str, int | str] = {"width": 32, "blocks": 1, "latent_channels": 3, **fields}
    return Architecture(variant=variant, operators=operators, **sizes)  # type: ignore[arg-type]


def _convert(source: Path, to: Target, path: Path) -> Path:
    write(read(find(source))[0], to, path)
    return path


@pytest.mark.parametrize("variant", first(2, [4, IMAGE, 1, 2, 3]))
@pytest.mark.parametrize("dtype", DTYPES)
def test_official_to_odvae_and_back(variant: int, dtype: torch.dtype, tmp_path: Path) -> None:
    stored = _stored(_tiny(variant), dtype)
    write(stored, Target.official, tmp_path / "a.safetensors")
    original = read_tensors(tmp_path / "a.safetensors")
    folder = _convert(tmp_path / "a.safetensors", Target.odvae, tmp_path / "ours")
    assert read(find(folder))[0].architecture == stored.architecture
    back = read_tensors(_convert(folder, Target.official, tmp_path / "b.safetensors"))
    assert_close(_bits(back), _bits(original), atol=0, rtol=0)
    assert {tensor.dtype for tensor in back.values()} == {dtype}


@pytest.mark.parametrize("name", ["vae.safetensors", "vae.ckpt", "vae.pt", "vae.bin", "vae-v1.2"])
def test_every_official_form_comes_back(name: str, tmp_path: Path) -> None:
    stored = _stored(_tiny(4))
    write(stored, Target.official, tmp_path / name)
    back = read(find(tmp_path / name))[0]
    assert back.architecture == stored.architecture
    assert_close(_bits(dict(back.tensors)), _bits(dict(stored.tensors)), atol=0, rtol=0)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("dtype", DTYPES)
def test_image_through_all_forms(dtype: torch.dtype, tmp_path: Path) -> None:
    stored = _stored(_tiny(IMAGE, norm_groups=32), dtype)
    write(stored, Target.diffusers, tmp_path / "diffusers")
    _convert(tmp_path / "diffusers", Target.official, tmp_path / "compvis.ckpt")
    _convert(tmp_path / "compvis.ckpt", Target.odvae, tmp_path / "ours")
    _convert(tmp_path / "ours", Target.diffusers, tmp_path / "again")
    back = read(find(tmp_path / "again"))[0]
    assert back.architecture == stored.architecture
    assert_close(_bits(dict(back.tensors)), _bits(dict(stored.tensors)), atol=0, rtol=0)
    for file in ("config.json", "diffusion_pytorch_model.safetensors"):
        first, again = (tmp_path / name / file for name in ("diffusers", "again"))
        assert first.read_bytes() == again.read_bytes()


def test_a_number_of_groups_goes_through_diffusers(tmp_path: Path) -> None:
    stored = _stored(_tiny(IMAGE, norm_groups=8))
    write(stored, Target.diffusers, tmp_path / "vae")
    assert json.loads((tmp_path / "vae" / "config.json").read_text())["norm_num_groups"] == 8
    assert read(find(tmp_path / "vae"))[0].architecture == stored.architecture


CANNOT = {
    "strict operators": (4, {}, Operators.strict, Target.official, "operators=strict: .* paper"),
    "paper operators": (IMAGE, {}, Operators.paper, Target.diffusers, "operators=paper: "),
    "few groups": (4, {"norm_groups": 8}, None, Target.official, "norm_groups=8: .* 32"),
    "CompVis, few groups": (IMAGE, {"norm_groups": 8}, None, Target.official, "norm_groups=8: "),
    "wide groups": (IMAGE, {"norm_groups": "channels/4"}, None, Target.diffusers, "channels/4: "),
    "video": (4, {}, None, Target.diffusers, "variant=4: diffusers has no class"),
    "ours": (TEMPORAL_DECODER, {}, None, Target.official, "variant=-1: "),
}


@pytest.mark.parametrize("case", CANNOT)
def test_what_a_form_cannot_express_is_refused(case: str, tmp_path: Path) -> None:
    variant, fields, operators, to, says = CANNOT[case]
    architecture = _tiny(variant, **fields)  # type: ignore[arg-type]
    if operators is not None:
        architecture = Architecture(**{**vars(architecture), "operators": operators})
    with pytest.raises(UserError, match=says):
        write(StoredVAE(architecture, {}), to, tmp_path / "vae")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("to", [Target.odvae, Target.diffusers])
def test_a_folder_is_not_named_like_a_file(suffix: str, to: Target, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"--to {to.value} writes a folder, not a {suffix} file"):
        write(_stored(_tiny(IMAGE)), to, tmp_path / f"vae{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_compvis_is_one_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="official form is a file"):
        write(_stored(_tiny(IMAGE)), Target.official, tmp_path / "vae")


@pytest.mark.parametrize("what", ["file", "folder", "empty folder", "link"])
@pytest.mark.parametrize("to", Target)
def test_nothing_is_overwritten(what: str, to: Target, tmp_path: Path) -> None:
    path = tmp_path / "vae"
    match what:
        case "file":
            path.write_text("mine")
        case "link":
            path.symlink_to("nowhere")
        case _:
            path.mkdir()
            if what == "folder":
                (path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="vae: not overwritten"):
        write(_stored(_tiny(IMAGE)), to, path)
    assert [entry.name for entry in tmp_path.rglob("*")] in (["vae"], ["vae", "notes.txt"])


@pytest.mark.parametrize(
    ("to", "name"),
    [
        (Target.odvae, "vae"),
        (Target.official, "vae.safetensors"),
        (Target.official, "vae.ckpt"),
        (Target.diffusers, "vae"),
    ],
)
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_nothing(
    to: Target, name: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: object, file: Path, *, metadata: object = None) -> None:
        file.write_bytes(b"half of it")
        raise error

    monkeypatch.setattr("odvae.model.saved.save_file", fails)
    monkeypatch.setattr("torch.save", fails)
    expected = UserError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        write(_stored(_tiny(IMAGE)), to, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(UserError, match="cannot be written"):
        write(_stored(_tiny(IMAGE)), Target.odvae, tmp_path / "vae")


def test_a_file_in_the_way_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/vae: cannot be written"):
        write(_stored(_tiny(IMAGE)), Target.odvae, tmp_path / "file" / "vae")


def test_views_of_one_memory_are_written_apart(tmp_path: Path) -> None:
    """As tensors of flattened checkpoints are."""
    stored = _stored(_tiny(4))
    flat = torch.cat([tensor.flatten() for tensor in stored.tensors.values()])
    parts = flat.split([tensor.numel() for tensor in stored.tensors.values()])
    views = {
        name: part.view(stored.tensors[name].shape)
        for name, part in zip(stored.tensors, parts, strict=True)
    }
    torch.save(views, tmp_path / "a.pt")
    for name in ("ours", "official.ckpt"):
        to = Target.odvae if name == "ours" else Target.official
        write(StoredVAE(stored.architecture, views), to, tmp_path / name)
        back = read(find(tmp_path / name))[0]
        assert_close(_bits(dict(back.tensors)), _bits(dict(stored.tensors)), atol=0, rtol=0)
    size = sum(tensor.nbytes for tensor in stored.tensors.values())
    assert (tmp_path / "official.ckpt").stat().st_size < 1.1 * size


def test_files_are_readable_by_others(tmp_path: Path) -> None:
    for to, name in ((Target.odvae, "ours"), (Target.official, "a.safetensors")):
        write(_stored(_tiny(4)), to, tmp_path / name)
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in tmp_path.rglob("*"))
    assert isinstance(odvae.load(tmp_path / "ours"), ODVAE)
