"""Every class of the table on tiny random instances: what a row claims is what diffusers does."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from odvae.errors import UserError
from odvae.inference import Tiling, reconstruct
from odvae.metrics.evaluate import Evaluation
from odvae.metrics.scorers import Scorers
from odvae.model import Deterministic, VideoVAE
from odvae.vaes.diffusers_table import DIFFUSERS_ROWS
from odvae.vaes.diffusers_vae import DiffusersVAE
from tests.sampling import first
from tests.vaes.tiny_vaes import CLASSES, VARIANTS, noise, tiny

CAUSAL = [name for name in CLASSES if name != "AutoencoderKLAllegro"]


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def test_every_row_is_tested() -> None:
    assert CLASSES.keys() == DIFFUSERS_ROWS.keys()


@pytest.mark.parametrize(
    ("name", "compression", "lengths", "channels"),
    [
        ("AutoencoderKLCogVideoX", "4x8x8", "1, 9, 17, ...", 16),
        ("AutoencoderKLWan", "4x8x8", "1, 5, 9, ...", 16),
        ("AutoencoderKLHunyuanVideo", "4x8x8", "1, 5, 9, ...", 16),
        ("AutoencoderKLMochi", "6x8x8", "1, 7, 13, ...", 12),
        ("AutoencoderKLLTXVideo", "8x32x32", "1, 9, 17, ...", 128),
        ("AutoencoderKLCosmos", "8x8x8", "1, 9, 17, ...", 16),
        ("AutoencoderKLAllegro", "4x8x8", "4, 8, 12, ...", 4),
        ("AutoencoderKLMagvit", "4x8x8", "1, 5, 9, ...", 16),
    ],
)
def test_published_models_compress_as_is_known(
    name: str, compression: str, lengths: str, channels: int
) -> None:
    import diffusers

    kind = getattr(diffusers, name)  # imports its module, which makes tensors of its own
    with torch.device("meta"):
        config = kind().config  # the defaults are those of the published models
    row = DIFFUSERS_ROWS[name]
    by = row.compression(config)
    assert str(by) == compression
    assert str(row.clip_lengths(config, by)) == lengths
    assert row.latent_channels(config) == channels


@pytest.mark.parametrize("name", first(3, CLASSES))
def test_any_clip_is_reconstructed_and_scored(name: str) -> None:
    vae: VideoVAE = DiffusersVAE(tiny(name))
    sizes = [(1, 32, 32), (5, 32, 32), (9, 32, 32), (10, 32, 32), (17, 32, 32), (5, 35, 50)]
    for frames, height, width in sizes:
        video = noise(frames=frames, height=height, width=width)
        again = reconstruct(vae, video, Tiling.off())
        assert again.shape == video.shape
        evaluation = Evaluation(Scorers((), (), torch.device("cpu")))
        evaluation.add(["noise"], video, again)
        assert evaluation.result().non_finite_clips == []


@pytest.mark.parametrize("name", first(len(CLASSES), [*CLASSES, *VARIANTS]))
def test_lengths_it_takes_come_back_whole_and_others_are_refused(name: str) -> None:
    vae = DiffusersVAE(tiny(name))
    by = vae.compression
    for frames in range(1, 18):
        video = noise(frames=frames, height=by.height, width=2 * by.width)
        if not vae.clip_lengths.takes(frames):
            with pytest.raises(ValueError, match=f"got T={frames}"):
                vae.encode(video)
            continue
        latents = vae.encode(video).mode()
        assert vae.decode(latents).shape == video.shape
        assert latents.shape == (1, vae.latent_channels, -(-frames // by.time), 1, 2)
        video[:, :, -1] *= -1
        assert not torch.equal(vae.encode(video).mode(), latents)  # the last frame counts


@pytest.mark.parametrize("name", CAUSAL)
def test_what_it_computes_is_what_diffusers_computes(name: str) -> None:
    theirs = tiny(name)
    vae = DiffusersVAE(tiny(name))
    video = noise(frames=vae.clip_lengths.at_least(9), clips=2)
    frames = video.shape[2]

    def images(clip: Tensor) -> Tensor:  # (B, C, T, H, W) -> (B T, C, H, W)
        return clip.permute(0, 2, 1, 3, 4).reshape(-1, clip.shape[1], *clip.shape[3:])

    def clips(frames_of_clips: Tensor) -> Tensor:
        return frames_of_clips.reshape(2, -1, *frames_of_clips.shape[1:]).permute(0, 2, 1, 3, 4)

    encoding = vae.encode(video)
    again = vae.decode(encoding.mode())
    match name:
        case "AutoencoderKLTemporalDecoder":
            posterior = theirs.encode(images(video)).latent_dist
            expected = clips(theirs.decode(posterior.mode(), num_frames=frames).sample)
            assert torch.equal(encoding.moments, clips(posterior.parameters))
        case "VQModel":
            latents = theirs.encode(images(video)).latents
            expected = clips(theirs.decode(latents).sample)
            assert torch.equal(encoding.moments, clips(latents))
        case _:
            posterior = theirs.encode(video).latent_dist
            expected = theirs.decode(posterior.mode()).sample
            assert torch.equal(encoding.moments, posterior.parameters)
            assert torch.equal(encoding.mode(), posterior.mode())
    assert torch.equal(again, expected)


def test_allegro_is_what_diffusers_computes_in_one_block() -> None:
    theirs = tiny("AutoencoderKLAllegro")
    theirs.enable_tiling()
    vae = DiffusersVAE(tiny("AutoencoderKLAllegro"))
    video = noise(frames=24)  # a block of theirs: 24 frames of sample_size
    posterior = theirs.encode(video).latent_dist
    assert torch.equal(vae.encode(video).moments, posterior.parameters)
    expected = theirs.decode(posterior.mode()).sample.transpose(1, 2)  # theirs has frames first
    assert torch.equal(vae.decode(posterior.mode()), expected)


def test_hunyuan_codes_a_clip_in_one_piece() -> None:
    theirs = tiny("AutoencoderKLHunyuanVideo")  # groups of 16 frames by default
    vae = DiffusersVAE(tiny("AutoencoderKLHunyuanVideo"))
    video = noise(frames=25)
    whole = theirs.quant_conv(theirs.encoder(video))
    assert torch.equal(vae.encode(video).moments, whole)
    assert not torch.equal(theirs.encode(video).latent_dist.parameters, whole)


@pytest.mark.parametrize("name", CLASSES)
def test_clips_of_a_batch_do_not_mix(name: str) -> None:
    vae = DiffusersVAE(tiny(name))
    video = noise(frames=vae.clip_lengths.at_least(5), clips=2)
    together = vae.encode(video)
    alone = vae.encode(video[1:])
    assert_close(together.moments[1:], alone.moments, rtol=1e-4, atol=1e-4)
    assert_close(vae.decode(together.mode())[1:], vae.decode(alone.mode()), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", first(4, CLASSES))
def test_no_call_depends_on_those_before(name: str) -> None:
    inner = tiny(name)
    vae = DiffusersVAE(inner)
    frames = vae.clip_lengths.at_least(5)
    one, other = noise(frames=frames), noise(frames=frames, height=64, seed=1)
    latents = vae.encode(one).mode()
    video = vae.decode(latents)
    for part, call, given in (
        (inner.encoder, vae.encode, other),
        (inner.decoder, vae.decode, vae.encode(other).mode()),
    ):
        call(given)
        _break_off(part, lambda call=call, given=given: call(given))
        assert torch.equal(vae.encode(one).mode(), latents)
        assert torch.equal(vae.decode(latents), video)


def _break_off(part: nn.Module, call: object) -> None:
    """Let a call fail at the last layer of its first pass, as for want of memory."""

    def fail(*_: object) -> None:
        raise MemoryError

    assert callable(call)
    handle = [*part.modules()][-1].register_forward_hook(fail)
    with pytest.raises(MemoryError):
        call()
    handle.remove()


def test_vqgan_decodes_the_nearest_codes() -> None:
    inner = tiny("VQModel")
    vae = DiffusersVAE(inner)
    encoding = vae.encode(noise(frames=1))
    assert isinstance(encoding, Deterministic)
    codes, *_ = inner.quantize(encoding.mode()[:, :, 0])
    assert not torch.equal(codes, encoding.mode()[:, :, 0])
    assert_close(vae.decode(codes[:, :, None]), vae.decode(encoding.mode()))


@pytest.mark.parametrize("name", CAUSAL)
def test_temporal_tiling_begins_with_its_first_group(name: str) -> None:
    vae = DiffusersVAE(tiny(name))
    step = vae.clip_lengths.step
    group = next(n for n in range(5, 99, 4) if (n - 1) % step == 0)
    video = noise(frames=group + step)
    tiled = reconstruct(vae, video, Tiling.temporal(group))
    assert tiled.shape == video.shape
    assert_close(tiled[:, :, :group], reconstruct(vae, video[:, :, :group], Tiling.off()))


def test_allegro_is_not_tiled_in_time() -> None:
    vae = DiffusersVAE(tiny("AutoencoderKLAllegro"))
    with pytest.raises(UserError, match="codes frame 0 by itself"):
        reconstruct(vae, noise(frames=9), Tiling.temporal(5))


@pytest.mark.parametrize("name", CLASSES)
def test_sizes_it_would_cut_are_refused(name: str) -> None:
    vae = DiffusersVAE(tiny(name))
    frames = vae.clip_lengths.first
    for height, width in ((36, 32), (32, 36)):
        with pytest.raises(ValueError, match=f"multiples of .*, got {height}x{width}"):
            vae.encode(noise(frames=frames, height=height, width=width))
    with pytest.raises(ValueError, match="video must be"):
        vae.encode(noise(frames=frames)[:, :1])
    with pytest.raises(ValueError, match="latents must be"):
        vae.decode(torch.zeros(1, vae.latent_channels + 1, 1, 4, 4))


def test_latents_of_a_clip_it_does_not_take_are_refused() -> None:
    vae = DiffusersVAE(tiny("AutoencoderKLCogVideoX"))
    with pytest.raises(ValueError, match=r"T = 1, 9, 17, \.\.\. frames, got T=5"):
        vae.decode(torch.zeros(1, vae.latent_channels, 2, 4, 4))


def test_other_classes_are_refused() -> None:
    with pytest.raises(UserError, match="must be one of AutoencoderKLTemporalDecoder"):
        DiffusersVAE(nn.Linear(1, 1))


def test_a_decoder_that_draws_noise_is_refused() -> None:
    changes = {"decoder_inject_noise": (True, False, False, False)}
    with pytest.raises(UserError, match="decoder_inject_noise"):
        DiffusersVAE(tiny("AutoencoderKLLTXVideo 0.9.5", changes))


def test_a_configuration_that_promises_too_much_is_found_out() -> None:
    changes = {"encoder_block_out_channels": (8, 8), "decode_block_out_channels": (8, 8)}
    vae = DiffusersVAE(tiny("AutoencoderKLCosmos", changes))  # no level left to halve
    with pytest.raises(UserError, match=r"8x8x8\) the result must be \(16, 1, 4, 4\), it is"):
        vae.encode(noise(frames=1))
