"""Samples: what a denoiser that knows the answer must give, for each scheduler; decoding; files."""

from pathlib import Path

import pytest
import torch
from matplotlib.image import imread
from torch import Tensor
from torch.testing import assert_close

from odvae.data import probe as probe_video
from odvae.data import to_uint8
from odvae.errors import UserError
from odvae.generation.denoiser import Denoiser, build
from odvae.generation.diffusion import diffusion_objective, initial_state
from odvae.generation.diffusion_config import DiffusionConfig, Prediction
from odvae.generation.gallery import contact_sheet, write_sample
from odvae.generation.sampling import decode_samples, random_classes, sample
from odvae.generation.sampling_config import SamplingConfig, Scheduler
from odvae.inference import Tiling, encode_video
from odvae.model import Compression, LatentScaling
from odvae.training.loop import train
from tests.generation.made_latents import SHAPE, KnowingDenoiser, MadeLatents, awake, normal_latents
from tests.inference.fake_vae import LosslessVAE
from tests.training.tiny import CPU, loop


def _samples(
    denoiser: Denoiser,
    numbers: list[int],
    sampling: SamplingConfig,
    *,
    diffusion: DiffusionConfig | None = None,
    classes: list[int] | None = None,
    seed: int = 0,
) -> Tensor:
    made = sample(
        denoiser,
        numbers,
        diffusion=diffusion or DiffusionConfig(),
        sampling=sampling,
        seed=seed,
        arithmetic=CPU,
        classes=classes,
    )
    found = list(made)
    assert [number for some, _ in found for number in some] == numbers
    return torch.cat([latents for _, latents in found])


@pytest.mark.parametrize("scheduler", list(Scheduler))
@pytest.mark.parametrize("prediction", list(Prediction))
@pytest.mark.parametrize("steps", [4, 25])
def test_a_denoiser_that_knows_gives_what_it_knows(
    scheduler: Scheduler, prediction: Prediction, steps: int
) -> None:
    """So sampling goes by the schedule, the timesteps and the prediction of training."""
    config = DiffusionConfig(prediction=prediction)
    clean = normal_latents(1).means
    denoiser = KnowingDenoiser(clean, config)
    sampling = SamplingConfig(scheduler=scheduler, steps=steps)
    found = _samples(denoiser, [0, 1], sampling, diffusion=config)
    assert_close(found, clean.expand(2, -1, -1, -1, -1), atol=1e-3, rtol=0)
    assert denoiser.clips_asked == 2 * steps


@pytest.mark.parametrize("scheduler", list(Scheduler))
def test_a_sample_is_a_function_of_seed_and_number(scheduler: Scheduler) -> None:
    config = DiffusionConfig(prediction=Prediction.v_prediction)
    denoiser = awake()

    def samples(numbers: list[int], *, batch: int, seed: int = 0) -> Tensor:
        sampling = SamplingConfig(scheduler=scheduler, steps=4, batch=batch)
        return _samples(denoiser, numbers, sampling, diffusion=config, seed=seed)

    whole = samples([0, 1, 2], batch=3)
    assert not torch.allclose(whole[0], whole[1], atol=0.1)
    assert_close(samples([0, 1, 2], batch=2), whole, atol=1e-3, rtol=1e-3)
    assert_close(samples([2], batch=1), whole[2:], atol=1e-3, rtol=1e-3)
    assert not torch.allclose(samples([0], batch=1, seed=1), whole[:1], atol=0.1)


@pytest.mark.parametrize("guidance", [0.0, 1.0, 1.5, 4.0])
def test_guidance_goes_from_no_class_through_the_class_and_beyond(guidance: float) -> None:
    """Predictions of noise are affine in what is known, so the sample is too."""
    config = DiffusionConfig()
    clean = normal_latents(3).means  # of two classes, and of none
    denoiser = KnowingDenoiser(clean, config)
    sampling = SamplingConfig(steps=5, guidance=guidance)
    found = _samples(denoiser, [0, 1], sampling, classes=[1, 0])
    expected = clean[2] + guidance * (clean[[1, 0]] - clean[2])
    assert_close(found, expected, atol=2e-3, rtol=0)
    assert denoiser.clips_asked == 2 * 5 * (1 if guidance == 1 else 2)


def test_no_class_is_the_sample_without_classes() -> None:
    denoiser, sampling = awake(classes=2), SamplingConfig(steps=2)
    found = _samples(denoiser, [0, 1], sampling, classes=[-1, -1])
    assert_close(found, _samples(denoiser, [0, 1], sampling), atol=0, rtol=0)


def test_random_classes_belong_to_their_numbers() -> None:
    found = random_classes(range(300), classes=3, seed=0)
    assert sorted(set(found)) == [0, 1, 2]
    assert min(found.count(k) for k in range(3)) > 70
    assert random_classes([7, 250], classes=3, seed=0) == [found[7], found[250]]
    assert random_classes(range(300), classes=3, seed=1) != found


def test_what_cannot_be_sampled_is_refused() -> None:
    plain, conditional = (build("tiny", SHAPE, classes=k, seed=0) for k in (None, 2))
    with pytest.raises(UserError, match=r"sampling\.steps must be at most .*=1000, got 1001$"):
        _samples(plain, [0], SamplingConfig(steps=1001))
    with pytest.raises(UserError, match=r"sampling\.guidance must be 1 without classes, got 2"):
        _samples(plain, [0], SamplingConfig(guidance=2.0))
    with pytest.raises(UserError, match="need a denoiser with classes"):
        _samples(plain, [0], SamplingConfig(), classes=[0])
    with pytest.raises(UserError, match=r"must be -1 to 1, got \[2\]$"):
        _samples(conditional, [0], SamplingConfig(), classes=[2])
    with pytest.raises(ValueError, match="2 samples need as many classes, got 1"):
        _samples(conditional, [0, 1], SamplingConfig(), classes=[0])
    with pytest.raises(UserError, match=r"^sampling\.steps must be at least 1, got 0"):
        SamplingConfig(steps=0)
    with pytest.raises(UserError, match=r"^sampling\.batch must be at least 1, got 0"):
        SamplingConfig(batch=0)
    with pytest.raises(UserError, match=r"^sampling\.guidance must be at least 0"):
        SamplingConfig(guidance=-1.0)


@pytest.mark.parametrize("tiling", [Tiling.off(), Tiling.stream(5)])
def test_decoding_undoes_scaling_and_padding(tiling: Tiling) -> None:
    vae = LosslessVAE(Compression(4, 8, 8))
    clips = torch.rand(3, 3, 7, 12, 20, generator=torch.Generator().manual_seed(0)) * 2 - 1
    scaling = LatentScaling(scale=(3.0,), shift=(0.25,))
    latents = scaling.normalise(encode_video(vae, clips, Tiling.off()).latents)
    made = decode_samples(
        vae,
        [([4, 9], latents[:2]), ([2], latents[2:])],
        scaling=scaling,
        size=(7, 12, 20),
        tiling=tiling,
        arithmetic=CPU,
    )
    found = list(made)
    assert [number for number, _ in found] == [4, 9, 2]
    assert_close(torch.stack([clip for _, clip in found]), clips, atol=1e-6, rtol=0)


def test_the_gallery_shows_the_samples(tmp_path: Path) -> None:
    clips = torch.rand(2, 3, 9, 8, 12, generator=torch.Generator().manual_seed(0)) * 2 - 1
    info = probe_video(write_sample(tmp_path, 3, clips[0], fps=8))
    assert (info.frames, info.height, info.width) == (9, 8, 12)
    assert (tmp_path / "sample_00003.mp4").is_file()
    sheet = tmp_path / "sheet.png"
    contact_sheet(list(clips), sheet, frames=3)
    picture = torch.from_numpy(imread(sheet)[..., :3] * 255).round().to(torch.uint8)
    assert picture.shape == (2 * 8 + 2, 3 * 12 + 2 * 2, 3)
    for row in range(2):
        for column, frame in enumerate((0, 4, 8)):
            tile = picture[10 * row : 10 * row + 8, 14 * column : 14 * column + 12]
            assert torch.equal(tile, torch.from_numpy(to_uint8(clips[row, :, [frame]])[0]))
    assert (picture[8:10] == 255).all()


@pytest.mark.slow
def test_a_denoiser_of_one_clip_gives_that_clip() -> None:
    """The whole path: training, its average, sampling. Half a minute on one core.

    A prediction of the noise would take a longer training: at the noisiest timestep, where DDIM
    starts, its error comes back 158 times as large.
    """
    config = DiffusionConfig(
        batch=8, learning_rate=4e-3, ema_decay=0.99, prediction=Prediction.v_prediction
    )
    latents = MadeLatents(normal_latents(1).means)
    state = initial_state(build("tiny", SHAPE, classes=None, seed=0), config)
    denoiser = state.model
    assert isinstance(denoiser, Denoiser)
    train(
        state,
        diffusion_objective(denoiser, latents, config, seed=0),
        loop(250),
        arithmetic=CPU,
        checkpoints=None,
        report=lambda step, numbers: None,
    )
    average = state.ema.model
    assert isinstance(average, Denoiser)
    found = _samples(average, [0, 1, 2], SamplingConfig(steps=20), diffusion=config)
    clip = latents.means[0]
    errors = (found - clip).square().flatten(1).mean(dim=1)
    psnr_db = 10 * ((clip.max() - clip.min()).square() / errors).log10()
    assert psnr_db.min() > 25, psnr_db
    assert errors.max() < 0.1 * clip.square().mean()
