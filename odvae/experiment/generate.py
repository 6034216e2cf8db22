"""The generation part of a run: latents, probe, denoiser, samples. Needs a VAE with weights."""

from dataclasses import asdict
from pathlib import Path

from odvae.experiment.context import Context
from odvae.experiment.denoiser_cost import training_memory_mb
from odvae.experiment.denoiser_training import (
    DenoiserOrder,
    DenoiserTraining,
    denoiser_loop,
    denoiser_training,
)
from odvae.experiment.generation_bench import GenerationBench, Sample
from odvae.experiment.generation_clips import generation_clips
from odvae.experiment.nearest_clips import nearest_clips
from odvae.experiment.pace import Pace
from odvae.experiment.stored_probe import stored_probe
from odvae.experiment.subject import Subject
from odvae.generation.denoiser import Denoiser
from odvae.generation.gallery import contact_sheet, write_sample
from odvae.generation.probe import LEAST_CLIPS
from odvae.generation.saved_denoiser import save_denoiser
from odvae.generation.validation import validation_loss
from odvae.training.loop import train

_PREFIX = "generation"
_FPS = 8.0


class Generation:
    """A denoiser on the latents of a VAE: made, judged, and its results logged."""

    def __init__(self, context: Context, subject: Subject) -> None:
        self._context, self._subject = context, subject
        subject.module.to(context.arithmetic.device)
        self._clips = generation_clips(context, subject)
        self._bench = GenerationBench(context, subject, self._clips)

    def execute(self) -> None:
        """Everything that comes after the reconstructions."""
        self._log_setup()
        self._probe()
        denoiser = self._learn()
        self._finish(denoiser)

    def _log_setup(self) -> None:
        log, index, bench = self._context.log, self._clips.train.index, self._bench
        log.tags(
            {
                "latents.key": index.key,
                "latents.shape": "x".join(map(str, index.shape)),
                "generation.protocol": bench.fingerprint,
                "generation.facts": bench.facts,
            }
        )
        channels, frames, height, width = index.shape
        self._log({"clips": len(self._clips.train)})
        self._log({"latent_values": channels * frames * height * width})
        for metric in bench.missing:
            log.tags({f"missing.{metric.name}_generation": metric.reason})
            self._context.progress.note(f"{metric.name} is not computed: {metric.reason}")

    def _probe(self) -> None:
        context, latents = self._context, self._clips.train
        if not context.config.generation.probe:
            return
        if len(latents) < LEAST_CLIPS:
            context.progress.note(f"no probe: it needs {LEAST_CLIPS} clips, got {len(latents)}")
            return
        context.progress.stage("probe", 1)
        self._log(
            stored_probe(
                latents,
                seed=context.config.seed,
                arithmetic=context.arithmetic,
                cache=context.cache,
            )
        )

    def _learn(self) -> Denoiser:
        """Train, or go on training; returns the averaged denoiser."""
        context, latents = self._context, self._clips.train
        order = DenoiserOrder(context.config, latents.folder)
        context.team.share(order)
        training = denoiser_training(order, latents, context.arithmetic, context.team)
        parameters = sum(p.numel() for p in training.denoiser.parameters())
        self._log({"denoiser_parameters_millions": parameters / 1e6})
        kept = context.checkpoints.newest()
        if kept is None:
            memory_mb = training_memory_mb(training, context.arithmetic)
            if memory_mb is not None:
                self._log({"train_memory_mb": memory_mb})
        else:
            training.state.restore(kept.content)
        self._train(training)
        average = training.state.ema.model
        assert isinstance(average, Denoiser)
        return average

    def _train(self, training: DenoiserTraining) -> None:
        context, pace = self._context, Pace()
        steps = context.config.generation.steps
        context.progress.stage("train the denoiser", steps)

        def report(step: int, numbers: dict[str, float]) -> None:
            pace.tick()
            context.progress.done(step)
            if numbers:
                self._log(numbers, step=step)

        def on_pause(step: int) -> float | None:
            average = training.state.ema.model
            assert isinstance(average, Denoiser)
            loss, _ = self._look(average, step)
            context.log.flush()
            context.progress.stage("train the denoiser", steps)
            context.progress.done(step)
            pace.pause()
            return None if loss is None else -loss

        train(
            training.state,
            training.objective,
            denoiser_loop(context.config),
            arithmetic=context.arithmetic,
            checkpoints=context.checkpoints,
            report=report,
            on_pause=on_pause,
            before_checkpoint=context.keep,
            team=context.team,
        )
        if pace.step_s:
            self._log({"train_steps_per_s": 1 / pace.step_s})
        if training.state.watch.skipped:
            context.progress.note(
                f"{training.state.watch.skipped} steps of the denoiser were not finite and left out"
            )

    def _look(self, denoiser: Denoiser, step: int) -> tuple[float | None, list[Sample]]:
        """Log the loss on held-out clips and the distances of samples; returns some of these."""
        context = self._context
        loss = None
        if self._clips.held_out is not None:
            context.progress.stage(f"look at step {step}", 1)
            by_timestep = validation_loss(
                denoiser,
                self._clips.held_out,
                context.config.diffusion,
                arithmetic=context.arithmetic,
            )
            loss = sum(by_timestep.values()) / len(by_timestep)
            self._log({"validation_loss": loss}, step=step)
        scores, samples = self._bench.score(denoiser)
        self._log(scores.values(), step=step)
        context.log.tags({"frechet_generation_rank_deficient": bool(scores.rank_deficient)})
        return loss, samples

    def _finish(self, denoiser: Denoiser) -> None:
        context = self._context
        _, samples = self._look(denoiser, context.config.generation.steps)
        near = nearest_clips(
            samples,
            self._clips,
            self._subject.vae,
            tiling=context.config.tiling.build(),
            arithmetic=context.arithmetic,
        )
        self._log({"nearest_psnr_db": sum(one.psnr_db for one in near) / len(near)})
        folder = context.folder / "samples"
        folder.mkdir(exist_ok=True)
        for one in samples:
            context.log.file(write_sample(folder, one.number, one.clip, fps=_FPS), "samples")
        sheets = {
            "samples.png": [one.clip for one in samples],
            "nearest.png": [clip for one in near for clip in (one.sample.clip, one.clip)],
        }
        for name, clips in sheets.items():
            contact_sheet(clips, context.folder / name)
            context.log.file(context.folder / name, None)
        self._save(denoiser, context.folder / "denoiser")

    def _save(self, denoiser: Denoiser, folder: Path) -> None:
        facts = {
            "diffusion": asdict(self._context.config.diffusion),
            "scaling": asdict(self._clips.train.scaling),
            "latents": self._clips.train.index.key,
        }
        for file in save_denoiser(denoiser, folder, facts=facts):
            self._context.log.file(file, folder.name)

    def _log(self, values: dict[str, float], *, step: int = 0) -> None:
        self._context.log_scores(_PREFIX, values, step=step)
