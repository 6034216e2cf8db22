"""Samples of a denoiser as clips (3, T, H, W) in [-1, 1], scored against the same real clips."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from odvae.experiment.context import Context
from odvae.experiment.generation_clips import GenerationClips
from odvae.experiment.subject import Subject
from odvae.generation.denoiser import Denoiser
from odvae.generation.generation_metrics import (
    LEAST_CLIPS,
    GenerationEvaluation,
    GenerationProtocol,
    GenerationScores,
    classifier_at_hand,
)
from odvae.generation.sampling import decode_samples, random_classes, sample
from odvae.metrics import Missing, available

_FINGERPRINT_CHARACTERS = 8


@dataclass(frozen=True)
class Sample:
    """One of those that a denoiser made."""

    number: int
    latents: Tensor  # (c, t, h, w), of unit variance
    clip: Tensor  # (3, T, H, W) in [-1, 1]


class GenerationBench:
    """All that stays the same while a denoiser is looked at several times.

    Attributes:
        missing: metrics that were asked for and are not computed.
        fingerprint: of how it is scored; numbers of one fingerprint compare.
        facts: what the fingerprint is of, in words; the real clips stand in it by their digest.
    """

    def __init__(self, context: Context, subject: Subject, clips: GenerationClips) -> None:
        self._context, self._subject, self._clips = context, subject, clips
        config, device = context.config, context.arithmetic.device
        self._protocol = GenerationProtocol(
            samples=config.generation.samples, clip_frames=clips.size[0]
        )
        scorers, missing = available(config.metrics, clip_shape=clips.size, device=device)
        enough = len(clips.windows) >= LEAST_CLIPS
        self._networks = scorers.frechet if enough else ()
        names = {network.name for network in self._networks}
        # What else the protocol scores, reconstructions alone have.
        self.missing = [one for one in missing if one.name.startswith(("fvd", "frechet"))]
        if not enough:
            self.missing.append(Missing("fvd", f"there are fewer than {LEAST_CLIPS} real clips"))
        classifier = classifier_at_hand(self._protocol)
        self._classifier = None
        if isinstance(classifier, Missing):
            self.missing.append(classifier)
        else:
            self._classifier = classifier.to(device)
            names.add("inception_score")
        real = min(len(clips.windows), self._protocol.samples)
        frames, height, width = clips.size
        self.facts = (
            f"{self._protocol.samples} samples of {frames}x{height}x{width} against {real} clips "
            f"that train, {', '.join(sorted(names)) or 'no network'}"
        )
        identity = f"{self.facts} {clips.windows.digest}"
        self.fingerprint = hashlib.sha256(identity.encode()).hexdigest()[:_FINGERPRINT_CHARACTERS]
        self._real: GenerationEvaluation | None = None

    def samples(self, denoiser: Denoiser, count: int) -> Iterator[Sample]:
        """The first so many of its samples, always the same ones for the same denoiser."""
        config, clips = self._context.config, self._clips
        numbers = range(count)
        classes = None
        if denoiser.classes is not None:
            classes = random_classes(numbers, classes=denoiser.classes, seed=config.seed)
        made = sample(
            denoiser,
            numbers,
            diffusion=config.diffusion,
            sampling=config.sampling,
            seed=config.seed,
            arithmetic=self._context.arithmetic,
            classes=classes,
        )
        for batch, latents in made:
            decoded = decode_samples(
                self._subject.vae,
                [(batch, latents)],
                scaling=clips.train.scaling,
                size=clips.size,
                tiling=config.tiling.build(),
                arithmetic=self._context.arithmetic,
            )
            for (number, clip), row in zip(decoded, latents, strict=True):
                yield Sample(number, row.cpu(), clip)

    def score(self, denoiser: Denoiser) -> tuple[GenerationScores, list[Sample]]:
        """Score its samples; returns the first of them too, as many as are kept as videos."""
        evaluation = self._of_real_clips().without_samples()
        progress, kept = self._context.progress, []
        progress.stage("sampling", self._protocol.samples)
        for one in self.samples(denoiser, self._protocol.samples):
            evaluation.add_samples(one.clip.unsqueeze(0))
            if one.number < self._context.config.generation.videos:
                kept.append(one)
            progress.done(one.number + 1)
        return evaluation.result(), kept

    def _of_real_clips(self) -> GenerationEvaluation:
        if self._real is None:
            self._real = GenerationEvaluation(
                self._protocol,
                self._networks,
                device=self._context.arithmetic.device,
                classifier=self._classifier,
            )
            count = 0
            self._context.progress.stage("real clips", self._protocol.samples)
            for clips in self._clips.real(self._protocol.samples):
                self._real.add_real(clips)
                count += len(clips)
                self._context.progress.done(count)
        return self._real
