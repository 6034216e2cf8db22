"""Which files of a folder are its weights: names alone."""

import pytest

from odvae.errors import UserError
from odvae.vaes.files import is_described, named_files, weight_files

OF_TWO = ["x-00001-of-2.safetensors", "x-00002-of-2.safetensors"]
FP16_OF_TWO = ["x.fp16-00001-of-2.safetensors", "x.fp16-00002-of-2.safetensors"]
BF16_OF_ONE = ["x-00001-of-1.bf16.safetensors"]


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["a.safetensors"], ["a.safetensors"]),
        (["a.safetensors", "a.bin", "config.json", ".b.safetensors"], ["a.safetensors"]),
        (["a.safetensors", "model.safetensors"], ["model.safetensors"]),
        (["x.fp16.safetensors", "x.safetensors"], ["x.safetensors"]),
        (OF_TWO, OF_TWO),
        ([*OF_TWO, *FP16_OF_TWO], OF_TWO),
        ([*OF_TWO, *BF16_OF_ONE, *FP16_OF_TWO], OF_TWO),
        ([*OF_TWO, "x.fp16.safetensors"], OF_TWO),
        (["x.safetensors", *FP16_OF_TWO], ["x.safetensors"]),
        (FP16_OF_TWO, FP16_OF_TWO),
        (["model-00001-of-00001.safetensors", "y.safetensors"],) * 2,
    ],
)
def test_what_is_chosen(names: list[str], chosen: list[str]) -> None:
    expected = [name for name in chosen if name != "y.safetensors"]
    assert weight_files(reversed(names), where="here") == expected


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ([*FP16_OF_TWO, *BF16_OF_ONE], r"several .*\(x-00001-of-1\.bf16\S+, x\.fp16-00001-of-2"),
        ([*OF_TWO, *(f"y{name}" for name in OF_TWO)], r"several weights files \(x-0.*, yx-0"),
        ([*OF_TWO, "x-00001-of-3.safetensors"], "several weights files"),
        (["vae.ckpt", "vae.v2.ckpt"], "several weights files"),
        (["epoch-1-of-2.ckpt", "epoch-2-of-2.ckpt"], "several weights files"),
        ([OF_TWO[0]], r"here: x-00002-of-2\.safetensors is missing"),
        ([OF_TWO[1], *FP16_OF_TWO], r"here: x-00001-of-2\.safetensors is missing"),
        (["x-00001-of-999999999999.bin"], r"x-00002-of-999999999999\.bin is missing"),
    ],
)
def test_what_is_not_chosen_from(names: list[str], says: str) -> None:
    with pytest.raises(UserError, match=says):
        weight_files(names, where="here")


def test_a_shard_stands_for_all_of_its_kind() -> None:
    names = [*OF_TWO, *FP16_OF_TWO, "y.ckpt"]
    assert named_files(FP16_OF_TWO[1], names, where="here") == FP16_OF_TWO
    assert named_files("y.ckpt", names, where="here") == ["y.ckpt"]
    assert named_files("epoch-3-of-10.ckpt", names, where="here") == ["epoch-3-of-10.ckpt"]
    with pytest.raises(UserError, match=r"x-00002-of-2\.safetensors is missing"):
        named_files(OF_TWO[0], [OF_TWO[0], *FP16_OF_TWO], where="here")


@pytest.mark.parametrize(
    ("name", "described"),
    [
        ("model.safetensors", True),
        ("diffusion_pytorch_model.bin", True),
        ("diffusion_pytorch_model.fp16.safetensors", True),
        ("x.bf16.safetensors", True),
        *((name, True) for name in (*OF_TWO, *FP16_OF_TWO, *BF16_OF_ONE)),
        ("vae.safetensors", False),
        ("fp16.safetensors", False),
        ("epoch-3-of-10.ckpt", False),
    ],
)
def test_names_that_a_configuration_describes(name: str, described: bool) -> None:
    assert is_described(name) is described
