"""Score models and references on the held-out clips, and time them. Clips are (B, 3, T, H, W)."""

import hashlib
import json
import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor

from odvae.experiment.heldout import HeldOut
from odvae.experiment.scored_path import as_scored, sampled
from odvae.experiment.timing import seconds_of
from odvae.inference import (
    CodedVideo,
    Tiling,
    TilingConfig,
    TilingMode,
    decode,
    decode_video,
    encode,
    fitted,
    reconstruct,
)
from odvae.metrics import (
    REFERENCES,
    Evaluation,
    EvaluationResult,
    OriginalFeatures,
    PosteriorPoint,
    Scorers,
    Stamp,
)
from odvae.model import VideoVAE
from odvae.training.precision import Arithmetic

_TIMED_REPEATS = 3
CountDone = Callable[[int], None]
Scores = dict[str, float]  # by metric name
# Of clip ids and clips (B, 3, T, H, W).
_Reconstruct = Callable[[Sequence[str], Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """All that stays the same while several models are scored on the same clips."""

    heldout: HeldOut
    scorers: Scorers
    originals: OriginalFeatures
    arithmetic: Arithmetic
    tiling: Tiling
    stamp: Stamp
    seed: int  # of the noise of a protocol that samples latents

    def score(self, vae: VideoVAE, *, done: CountDone, quick: bool = False) -> EvaluationResult:
        """Score the reconstructions of a VAE as the protocol says, under the bench's tiling."""
        return self._score(partial(self._reconstruct, vae), done=done, quick=quick)

    def reconstruct(self, vae: VideoVAE, clips: Tensor) -> Tensor:
        """Encode and decode a batch in float32, whatever the run trains in; unclamped, on the CPU.

        So numbers from machines with and without fast bf16 compare. The mode of the posterior is
        decoded, whatever the protocol.
        """
        with torch.inference_mode():
            clips = clips.to(self.arithmetic.device)
            return reconstruct(vae, clips, self.tiling).float().cpu()

    def references(self, cache: Path, *, done: CountDone) -> dict[str, Scores]:
        """Scores of the reconstructions that need no model, by their names."""
        scores = {}
        for name, function in REFERENCES.items():
            score = partial(self._score, partial(_without_ids, function), done=done)
            scores[name] = self.once(name, cache, score)
        return scores

    def once(self, what: str, cache: Path, score: Callable[[], EvaluationResult]) -> Scores:
        """Scores that are the same in every run over the same clips: computed by the first one.

        Args:
            what: tells what is scored from everything else that is scored on these clips.
        """
        identity = f"{what} {self.stamp.fingerprint} {self.scorers.names} {self.tiling}"
        if self._samples:
            identity += f" {self.seed}"
        file = cache / f"scores-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.json"
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{file}.lock"):  # another run of the sweep may be at it
            if not file.is_file():
                part = file.with_suffix(".part")
                part.write_text(json.dumps(score().values(), indent=1))
                os.replace(part, file)
        loaded: Scores = json.loads(file.read_text())
        return loaded

    def speed(self, vae: VideoVAE) -> dict[str, float]:
        """Clips per second of encoding and decoding one batch: median after a warm-up."""
        _, clips = next(iter(self.heldout))
        clips = fitted(vae, clips.to(self.arithmetic.device))
        with torch.inference_mode(), self.arithmetic.autocast():
            latents = encode(vae, clips, self.tiling).mode()
            encode_s = self._median_s(lambda: encode(vae, clips, self.tiling))
            decode_s = self._median_s(lambda: decode(vae, latents, self.tiling))
        return {
            "encode_clips_per_s": len(clips) / encode_s,
            "decode_clips_per_s": len(clips) / decode_s,
        }

    @property
    def _samples(self) -> bool:
        return self.stamp.protocol.posterior is PosteriorPoint.sample

    def _reconstruct(self, vae: VideoVAE, ids: Sequence[str], clips: Tensor) -> Tensor:
        """As ``reconstruct``, with the latents that the protocol asks for."""
        if not self._samples:
            return self.reconstruct(vae, clips)
        with torch.inference_mode():
            video = fitted(vae, clips.to(self.arithmetic.device))
            latents = sampled(encode(vae, video, self.tiling), ids, seed=self.seed)
            coded = CodedVideo(latents, *clips.shape[2:])
            return decode_video(vae, coded, self.tiling).float().cpu()

    def _score(
        self, function: _Reconstruct, *, done: CountDone, quick: bool = False
    ) -> EvaluationResult:
        scorers = self.scorers.quick() if quick else self.scorers
        evaluation = Evaluation(scorers, originals=self.originals)
        count = 0
        for ids, clips in self.heldout:
            pair = (clips, function(ids, clips))
            evaluation.add(ids, *(as_scored(side, self.stamp.protocol) for side in pair))
            count += len(ids)
            done(count)
        return evaluation.result()

    def _median_s(self, function: Callable[[], object]) -> float:
        times = [seconds_of(function, self.arithmetic.device) for _ in range(1 + _TIMED_REPEATS)]
        return statistics.median(times[1:])


def _without_ids(
    function: Callable[[Tensor], Tensor], _ids: Sequence[str], clips: Tensor
) -> Tensor:
    """A reconstruction (B, 3, T, H, W) that depends on the pixels alone."""
    return function(clips)


def single_group_note(tiling: TilingConfig, clip_frames: int) -> str | None:
    """What there is to say of groups that a whole clip fits into; None: nothing."""
    if tiling.mode is not TilingMode.temporal or tiling.group_frames < clip_frames:
        return None
    return (
        f"tiling=temporal: clips of {clip_frames} frames are a single group of up to "
        f"{tiling.group_frames}, the same as tiling=off"
    )
