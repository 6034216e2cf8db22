"""The parts of one run, in the order they happen: initialise, check, train, evaluate, log."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from odvae.config import RunConfig, Task
from odvae.data import FrameStore, TrainingClips
from odvae.experiment import artifacts
from odvae.experiment.evaluation import Bench
from odvae.experiment.heldout import HeldOut
from odvae.experiment.pace import Pace, read_elapsed_s, write_elapsed_s
from odvae.experiment.progress import Progress
from odvae.inference import TilingMode
from odvae.metrics import EvaluationResult, Lpips, OriginalFeatures, available
from odvae.model import ODVAE, Initialisation, image_state_dict, inflate
from odvae.tracking import RunLog
from odvae.training import video_recipe
from odvae.training.image_source import ImageVae, get_image_vae
from odvae.training.loop import LoopConfig, Report, train
from odvae.training.precision import Arithmetic
from odvae.training.state import TrainingState


class Job:
    """One run at work."""

    def __init__(
        self,
        config: RunConfig,
        heldout: HeldOut,
        *,
        arithmetic: Arithmetic,
        folder: Path,
        log: RunLog,
        progress: Progress,
        checkpoint: ODVAE | None,
        lpips_loss: bool,
    ) -> None:
        self.config = config
        self.heldout = heldout
        self.arithmetic = arithmetic
        self.folder = folder
        self.log = log
        self.progress = progress
        self.checkpoint = checkpoint  # the model to evaluate; None: one is trained
        self.lpips_loss = lpips_loss  # whether the LPIPS term is part of the objective
        self.started_s = time.monotonic() - read_elapsed_s(folder)

    def execute(self, name: str) -> None:
        """Everything between the run's start and its end in the store."""
        torch.manual_seed(self.config.seed)
        torch.backends.cudnn.deterministic = True
        self._log_setup()
        image = self._image_vae()  # before all that takes time: it may not be to be had
        bench = self._bench()
        self._log_references(bench)
        if self.checkpoint is None:
            vae = self._trained(bench, image)
        else:
            vae = self.checkpoint.to(self.arithmetic.device)
        self._evaluate_and_log(bench, vae, name)

    # -- before training ---------------------------------------------------------------------

    def _log_setup(self) -> None:
        self.log.params(self._fields())
        environment = artifacts.environment(self.arithmetic)
        self.log.text(json.dumps(environment, indent=1), "environment.json")
        self.log.text(json.dumps(self._fields(), indent=1), "config.json")
        self.log.text(self.heldout.manifest.to_json(), "clips.json")
        skipped = self.heldout.source.skipped
        self.log.metrics({"data/skipped_files": len(skipped)}, step=0)
        if skipped:
            self.log.text("\n".join(f"{s.name}: {s.reason}" for s in skipped), "skipped.txt")
            named = "; ".join(f"{s.name}: {s.reason}" for s in skipped[:5])
            self.progress.note(f"{len(skipped)} files skipped: {named}")

    def _fields(self) -> dict[str, Any]:
        """The configuration; of a model that was loaded, with its own architecture."""
        fields = self.config.flat()
        if self.checkpoint is not None:
            of_model = asdict(self.checkpoint.architecture)
            fields["variant"] = of_model.pop("variant")
            fields["operators"] = of_model.pop("operators").value
            fields |= {f"model.{name}": value for name, value in of_model.items()}
        return fields

    def _bench(self) -> Bench:
        data, tiling = self.config.data, self.config.tiling
        if tiling.mode is TilingMode.temporal and tiling.group_frames >= data.clip_frames:
            self.progress.note(
                f"tiling=temporal: clips of {data.clip_frames} frames are a single group of up to "
                f"{tiling.group_frames}, the same as tiling=off"
            )
        scorers, missing = available(
            self.config.metrics,
            clip_shape=(data.clip_frames, data.size_px, data.size_px),
            device=self.arithmetic.device,
        )
        for metric in missing:
            self.log.tags({f"missing.{metric.name}": metric.reason})
            self.progress.note(f"{metric.name} is not computed: {metric.reason}")
        return Bench(
            heldout=self.heldout,
            scorers=scorers,
            originals=OriginalFeatures(),
            arithmetic=self.arithmetic,
            tiling=tiling.build(),
        )

    def _log_references(self, bench: Bench) -> None:
        self.progress.stage("references", len(self.heldout))
        references = bench.references(self._cache(), done=self.progress.done)
        for name, scores in references.items():
            self._log_scores(f"reference/{name}", scores, step=0)

    def _image_vae(self) -> ImageVae | None:
        """What the weights start from, if a model is trained and they do not start at random."""
        if self.checkpoint is not None or self.config.init.how is Initialisation.random:
            return None

        def report() -> Report:
            self.progress.stage("image VAE", self.config.image_vae.recipe.steps)
            return lambda step, _: self.progress.done(step)

        # Also what it shows while another run trains it and this one waits.
        self.progress.stage("image VAE", self.config.image_vae.recipe.steps)
        return get_image_vae(
            self.config.image_vae,
            self.config.architecture(),
            self.heldout.source.train,
            cache=self._cache() / "image_vae",
            arithmetic=self.arithmetic,
            report=report,
        )

    def _cache(self) -> Path:
        return Path(self.config.output_dir).expanduser().absolute() / "cache"

    # -- training ----------------------------------------------------------------------------

    def _trained(self, bench: Bench, image: ImageVae | None) -> ODVAE:
        config = self.config
        vae = ODVAE(config.architecture())
        self._initialise(vae, image, bench)
        vae.to(self.arithmetic.device)
        self.log.params({"parameters": sum(p.numel() for p in vae.parameters())})
        state = video_recipe.initial_state(vae, config.train, config.init.how)
        checkpoint = self.folder / "state.pt"
        if checkpoint.is_file():
            state.load(checkpoint)
        else:
            self._log_curve_point(bench, state)
        clips = TrainingClips(
            self.heldout.source.train,
            config.data,
            seed=config.seed,
            store=FrameStore(config.data.short_side_px),
        )
        loss = video_recipe.VideoLoss(vae, config.losses, self._lpips(), config.seed)
        self.progress.stage("train", config.train.steps)
        pace = Pace()

        def report(step: int, numbers: dict[str, float]) -> None:
            pace.tick()
            self.progress.done(step)
            if numbers:
                scores = {f"train/{name}": value for name, value in numbers.items()}
                self.log.metrics({"train/loss": sum(numbers.values()), **scores}, step=step)

        def on_pause(step: int) -> None:
            self._log_curve_point(bench, state)
            self.progress.stage("train", config.train.steps)
            self.progress.done(step)
            pace.pause()

        train(
            state,
            video_recipe.objective(clips, config.train, loss),
            LoopConfig(
                steps=config.train.steps,
                log_every_steps=config.train.log_every_steps,
                checkpoint_every_s=config.train.checkpoint_every_s,
                pauses=tuple(config.train.curve_steps[:-1]),  # the last is the evaluation
            ),
            arithmetic=self.arithmetic,
            checkpoint=checkpoint,
            report=report,
            on_pause=on_pause,
            before_checkpoint=self._keep,
        )
        if clips.skipped:
            self.progress.note(f"unreadable training clips drawn again: {dict(clips.skipped)}")
            self.log.tags({"data.redrawn": dict(clips.skipped)})
        if pace.step_s:
            self.log.metrics({"cost/train_steps_per_s": 1 / pace.step_s}, step=0)
            self.log.flush()
        averaged = state.ema.model
        assert isinstance(averaged, ODVAE)
        return averaged

    def _initialise(self, vae: ODVAE, image: ImageVae | None, bench: Bench) -> None:
        how = self.config.init.how
        if image is None:
            inflate(vae, None, how, torch.Generator().manual_seed(self.config.seed))
            return
        self.log.tags({"image_vae.sha256": image.digest})
        inflate(vae, image_state_dict(image.vae), how)
        self.progress.stage("image VAE's own quality", len(self.heldout))
        on_device = image.vae.to(self.arithmetic.device)
        scores = bench.once(
            image.digest, self._cache(), lambda: bench.score(on_device, done=self.progress.done)
        )
        self._log_scores("image_vae", scores, step=0)

    def _lpips(self) -> Lpips | None:
        losses = self.config.losses
        if self.lpips_loss:
            return Lpips(losses.lpips_backbone).to(self.arithmetic.device)
        if losses.lpips_weight > 0:
            self.progress.note(
                f"trained without the LPIPS term: the weights of {losses.lpips_backbone.value} are "
                "not on this computer (odvae weights tells how to get them)"
            )
        return None

    def _log_curve_point(self, bench: Bench, state: TrainingState) -> None:
        self.progress.stage(f"look at step {state.step}", len(self.heldout))
        averaged = state.ema.model
        assert isinstance(averaged, ODVAE)
        # The Frechet network costs more than the rest: at the ends of the curve only.
        result = bench.score(averaged, done=self.progress.done, frechet=state.step == 0)
        self._log_scores("eval", result.values(), step=state.step)
        if state.step == 0:
            self._log_scores("zero_step", result.values(), step=0)
            for position, value in enumerate(result.psnr_db_by_frame):
                self.log.metrics({"zero_step/psnr_db_by_frame": value}, step=position)
        self.log.flush()

    def _keep(self) -> None:
        """Before each checkpoint: what the store holds is never behind it."""
        self.log.flush()
        write_elapsed_s(self.folder, time.monotonic() - self.started_s)

    # -- after training ----------------------------------------------------------------------

    def _evaluate_and_log(self, bench: Bench, vae: ODVAE, name: str) -> None:
        self.progress.stage("evaluate", len(self.heldout))
        result = bench.score(vae, done=self.progress.done)
        step = self.config.train.steps if self.config.task is Task.train else 0
        self._log_scores("eval", result.values(), step=step)
        for position, value in enumerate(result.psnr_db_by_frame):
            self.log.metrics({"eval/psnr_db_by_frame": value}, step=position)
        for metric in result.missing:
            self.log.tags({f"missing.{metric.name}": metric.reason})
        if result.non_finite_clips:
            self.log.tags({"non_finite_clips": result.non_finite_clips})
            self.progress.note(f"not finite: the reconstructions of {result.non_finite_clips}")
        self.log.tags({"frechet_rank_deficient": result.rank_deficient})
        self._log_artifacts(bench, vae, result, name)
        cost = bench.speed(vae) | {
            "parameters_millions": sum(p.numel() for p in vae.parameters()) / 1e6,
            "peak_memory_mb": artifacts.peak_memory_mb(self.arithmetic),
            "wall_s": time.monotonic() - self.started_s,
        }
        self.log.metrics({f"cost/{key}": value for key, value in cost.items()}, step=0)

    def _log_artifacts(self, bench: Bench, vae: ODVAE, result: EvaluationResult, name: str) -> None:
        vae.save(self.folder / "vae")
        for file in (self.folder / "vae").iterdir():
            self.log.file(file, "vae")
        self.log.text(artifacts.per_clip_csv(result), "per_clip.csv")
        _, clips = next(iter(self.heldout))
        reconstruction = bench.reconstruct(vae, clips[:1])[0]
        grid, video = self.folder / "reconstruction.png", self.folder / "side_by_side.mp4"
        title = f"{name}: {result.psnr_db:.2f} dB over {result.clips} clips"
        artifacts.grid_png(clips[0], reconstruction, grid, title=title)
        artifacts.side_by_side_mp4(clips[0], reconstruction, video)
        self.log.file(grid, None)
        self.log.file(video, None)

    def _log_scores(self, prefix: str, scores: dict[str, float], *, step: int) -> None:
        self.log.metrics({f"{prefix}/{key}": value for key, value in scores.items()}, step=step)
