"""Image VAEs to start from: trained once and kept, or read, and checked to fit."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from torch.testing import assert_close

from odvae.data import VideoRange
from odvae.errors import UserError
from odvae.hashing import file_sha256
from odvae.model import IMAGE, ODVAE, Architecture, image_state_dict
from odvae.training import image_recipe, image_source
from odvae.training.checkpoints import Checkpoints
from odvae.training.image_recipe import ImageRecipe, train_image_vae
from odvae.training.image_source import (
    ImageVae,
    ImageVaeConfig,
    ImageVaeSource,
    check_fits,
    fingerprint,
    get_image_vae,
)
from odvae.training.loop import Report
from odvae.vaes.loading import Found
from tests.model.diffusers_names import to_diffusers_names
from tests.training.tiny import CPU, video_ranges

ARCHITECTURE = Architecture(variant=4, width=8, blocks=1, norm_groups="channels/8")
RECIPE = ImageRecipe(steps=2, crop_px=16)
LOCAL = ImageVaeConfig(source=ImageVaeSource.local, recipe=RECIPE)


@pytest.fixture(autouse=True)
def _few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_recipe, "_CODE_SAMPLE_STEPS", 8)


@pytest.fixture(scope="module")
def ranges(tmp_path_factory: pytest.TempPathFactory) -> list[VideoRange]:
    return video_ranges(tmp_path_factory.mktemp("videos"))


class Trainings:
    """Counts the trainings that begin, and their updates."""

    def __init__(self) -> None:
        self.begun = 0
        self.updates: list[int] = []

    def report(self) -> Report:
        self.begun += 1
        return lambda step, _: self.updates.append(step)


def _get(
    config: ImageVaeConfig,
    ranges: list[VideoRange],
    cache: Path,
    trainings: Trainings,
    architecture: Architecture = ARCHITECTURE,
) -> ImageVae:
    return get_image_vae(
        config, architecture, ranges, cache=cache, arithmetic=CPU, report=trainings.report
    )


def test_two_runs_at_once_train_it_once(ranges: list[VideoRange], tmp_path: Path) -> None:
    trainings = Trainings()
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(_get, LOCAL, ranges, tmp_path, trainings) for _ in range(2)]
    one, other = (future.result() for future in both)
    assert (trainings.begun, trainings.updates) == (1, [1, 2])
    assert one.digest == other.digest
    assert_close(one.vae.state_dict(), other.vae.state_dict(), atol=0, rtol=0)
    assert not one.vae.training
    assert [path.name for path in tmp_path.iterdir() if path.suffix not in ("", ".lock")] == []

    third = _get(LOCAL, ranges, tmp_path, trainings)
    wider_video = replace(ARCHITECTURE, variant=1)
    _get(LOCAL, ranges, tmp_path, trainings, wider_video)  # the image VAE is the same
    assert (trainings.begun, third.digest) == (1, one.digest)


def test_it_is_kept_for_the_same_data_and_recipe(ranges: list[VideoRange], tmp_path: Path) -> None:
    trainings = Trainings()
    digests = [_get(LOCAL, ranges, tmp_path, trainings).digest]
    others = [
        (replace(LOCAL, recipe=replace(RECIPE, seed=1)), ranges, ARCHITECTURE),
        (LOCAL, ranges[:1], ARCHITECTURE),
        (LOCAL, ranges, replace(ARCHITECTURE, latent_channels=3)),
    ]
    for number, (config, data, architecture) in enumerate(others, start=2):
        digests.append(_get(config, data, tmp_path, trainings, architecture).digest)
        assert trainings.begun == number
    assert len(set(digests)) == len(digests)


def test_an_interrupted_training_goes_on(ranges: list[VideoRange], tmp_path: Path) -> None:
    recipe = ImageRecipe(steps=7, crop_px=16)
    vaes = [ODVAE.image(width=8, blocks=1, norm_groups="channels/8") for _ in range(3)]
    steps: list[int] = []

    def trained(vae: ODVAE, folder: Path, stop: int | None = None) -> ODVAE:
        def report(step: int, _: dict[str, float]) -> None:
            steps.append(step)
            if step == stop:
                raise KeyboardInterrupt

        return train_image_vae(
            vae,
            ranges,
            recipe,
            arithmetic=CPU,
            checkpoints=Checkpoints(folder),
            report=report,
            checkpoint_every_s=0,
        )

    whole = trained(vaes[0], tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        trained(vaes[1], tmp_path / "kept", stop=6)
    resumed = trained(vaes[2], tmp_path / "kept")
    assert steps == [*range(1, 8), *range(1, 7), 6, 7]
    assert_close(resumed.state_dict(), whole.state_dict(), atol=0, rtol=0)


def test_the_bundled_one_fits_the_small_presets() -> None:
    config = ImageVaeConfig(source=ImageVaeSource.bundled)
    architecture = Architecture(variant=4, width=16, blocks=1, norm_groups="channels/16")
    image = get_image_vae(
        config, architecture, [], cache=Path("none"), arithmetic=CPU, report=Trainings().report
    )
    assert image.vae.architecture.variant == IMAGE
    for wrong in ({"width": 32}, {"blocks": 2}, {"norm_groups": 4}, {"latent_channels": 8}):
        ((name, value),) = wrong.items()
        with pytest.raises(UserError, match=rf"^model\.{name}={value} .*image_vae=bundled has"):
            check_fits(config, replace(architecture, **wrong))  # type: ignore[arg-type]


def test_auto_is_what_fits() -> None:
    auto = ImageVaeConfig()
    assert auto.resolved(16) is ImageVaeSource.bundled
    assert auto.resolved(128) is ImageVaeSource.sd
    assert LOCAL.resolved(128) is ImageVaeSource.local


def _sd_file(folder: Path) -> tuple[Path, ODVAE]:
    """An SD-VAE's file in diffusers' names, narrower than the real one."""
    vae = ODVAE.image(width=32, blocks=1)
    state = to_diffusers_names(image_state_dict(vae))
    file = folder / "sd.safetensors"
    save_file({name: value.contiguous() for name, value in state.items()}, file)
    return file, vae


def _sd(path: Path | str) -> ImageVaeConfig:
    return ImageVaeConfig(source=ImageVaeSource.sd, path=str(path))


@pytest.mark.parametrize("form", ["file", "own folder"])
def test_sd_is_read_and_checked(form: str, tmp_path: Path) -> None:
    source, vae = _sd_file(tmp_path)
    if form == "own folder":
        source = tmp_path / "vae"
        vae.save(source)
    architecture = replace(vae.architecture, variant=4)
    image = _get(_sd(source), [], tmp_path, Trainings(), architecture)
    assert_close(image.vae.state_dict(), vae.state_dict(), atol=0, rtol=0)
    assert not image.vae.training and image.revision is None
    file = source if source.is_file() else source / "model.safetensors"
    assert fingerprint(_sd(source), width=32) == file_sha256(file)
    with pytest.raises(UserError, match=r"^model\.width=16 .*image_vae=sd has 32"):
        check_fits(_sd(source), replace(architecture, width=16, norm_groups=16))


def test_the_hubs_sd_is_told_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, vae = _sd_file(tmp_path)
    found = Found(source=image_source.HUB_ID, folder=tmp_path, weights=[file], revision="c0ffee")
    monkeypatch.setattr(image_source, "find", lambda source: found)
    monkeypatch.setattr(image_source, "SD", vae.architecture)
    config = ImageVaeConfig(source=ImageVaeSource.sd)
    assert fingerprint(config, width=32) == file_sha256(file)
    architecture = replace(vae.architecture, variant=4)
    assert _get(config, [], tmp_path, Trainings(), architecture).revision == "c0ffee"


def test_what_is_no_sd_vae_is_told_with_the_field(tmp_path: Path) -> None:
    file, vae = _sd_file(tmp_path)
    state = load_file(file)
    del state["encoder.conv_in.weight"]
    save_file(state, file)
    ODVAE.variant(4, width=32, blocks=1).save(tmp_path / "video")
    for path, says in (
        (file, rf"^image_vae\.path={file}: .*encoder\.conv_in\.weight"),
        (tmp_path / "video", r"^image_vae\.path=.*video: .*needed is an image VAE"),
        ("nowhere", r"^image_vae\.path=nowhere: no such folder, no such file$"),
    ):
        with pytest.raises(UserError, match=says):
            check_fits(_sd(path), replace(vae.architecture, variant=4))


def test_without_a_network_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(source: str) -> Found:
        raise UserError(f"{source}: it cannot be downloaded")

    monkeypatch.setattr(image_source, "find", unreachable)
    with pytest.raises(UserError, match=r"^image_vae=sd: stabilityai/.*cannot.*image_vae\.path"):
        config = ImageVaeConfig(source=ImageVaeSource.sd)
        _get(config, [], Path("none"), Trainings(), replace(image_source.SD, variant=4))


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"crop_px": 12}, {"crop_px": 0}, {"warm_start_fraction": 1.5}]
)
def test_the_recipe_is_checked(wrong: dict[str, int]) -> None:
    ((field, value),) = wrong.items()
    with pytest.raises(UserError, match=rf"^image_vae\.recipe\.{field} must .*, got {value}$"):
        ImageRecipe(**wrong)


def test_a_path_is_for_sd_only() -> None:
    with pytest.raises(UserError, match=r"^image_vae\.path=vae is read with image_vae=sd only$"):
        ImageVaeConfig(source=ImageVaeSource.local, path="vae")
