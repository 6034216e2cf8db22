"""The training part of a run: initialise, look at step zero, train, look in between."""

import torch

from odvae.data import Clips
from odvae.experiment.assembly import Order, assemble, loop_config
from odvae.experiment.context import Context
from odvae.experiment.evaluation import Bench
from odvae.experiment.pace import Pace
from odvae.metrics import EvaluationResult
from odvae.model import ODVAE, image_state_dict, inflate
from odvae.training import video_recipe
from odvae.training.image_source import ImageVae
from odvae.training.loop import train
from odvae.training.state import TrainingState


class Learner:
    """Trains the model of a run."""

    def __init__(self, context: Context, bench: Bench, *, lpips_loss: bool) -> None:
        self.context = context
        self.bench = bench
        self.lpips_loss = lpips_loss  # whether the LPIPS term is part of the objective

    def learn(self, image: ImageVae | None) -> ODVAE:
        """Train from the image VAE, or from random weights; returns the EMA weights."""
        config, log = self.context.config, self.context.log
        vae = ODVAE(config.architecture())
        self._initialise(vae, image)
        log.params({"parameters": sum(p.numel() for p in vae.parameters())})
        order = Order(config, self.lpips_loss)
        self.context.team.share(order)
        assembly = assemble(vae, order, self.context.arithmetic, self.context.team)
        self._note_missing_lpips()
        state = assembly.state
        kept = self.context.checkpoints.newest()
        if kept is None:
            self._log_curve_point(state)
        else:
            state.restore(kept.content)
        clips = self.context.heldout.training_clips(seed=config.seed)
        self._train(state, clips, assembly.loss)
        if clips.skipped:
            self.context.progress.note(
                f"unreadable training clips drawn again: {dict(clips.skipped)}"
            )
            log.tags({"data.redrawn": dict(clips.skipped)})
        if state.watch.skipped:
            self.context.progress.note(
                f"{state.watch.skipped} steps were not finite and left out, "
                f"{state.watch.data_round} roll-backs"
            )
        averaged = state.ema.model
        assert isinstance(averaged, ODVAE)
        return averaged

    def _train(self, state: TrainingState, clips: Clips, loss: video_recipe.VideoLoss) -> None:
        config, log, progress = self.context.config, self.context.log, self.context.progress
        progress.stage("train", config.train.steps)
        pace = Pace()

        def report(step: int, numbers: dict[str, float]) -> None:
            pace.tick()
            progress.done(step)
            if numbers:
                waited = {"cost/data_wait_share": numbers.pop("data_wait_share")}
                log.metrics(waited, step=step)
                self.context.log_scores("train", numbers, step=step)

        def on_pause(step: int) -> float:
            result = self._log_curve_point(state)
            speed = {"cost/train_steps_per_s": 1 / pace.step_s} if pace.step_s else {}
            reached = {f"eval/{name}": value for name, value in result.values().items()}
            progress.report(step, reached | speed)
            progress.stage("train", config.train.steps)
            progress.done(step)
            pace.pause()
            return result.psnr_db

        train(
            state,
            video_recipe.objective(clips, config.train, loss, workers=config.data.workers),
            loop_config(config),
            arithmetic=self.context.arithmetic,
            checkpoints=self.context.checkpoints,
            report=report,
            on_pause=on_pause,
            before_checkpoint=self.context.keep,
            team=self.context.team,
        )
        if pace.step_s:
            log.metrics({"cost/train_steps_per_s": 1 / pace.step_s}, step=0)
        log.flush()

    def _initialise(self, vae: ODVAE, image: ImageVae | None) -> None:
        how = self.context.config.init.how
        if image is None:
            seed = self.context.config.seed
            inflate(vae, None, how, torch.Generator().manual_seed(seed))
            return
        tags = {"image_vae.sha256": image.digest, "image_vae.revision": image.revision or ""}
        self.context.log.tags(tags)
        inflate(vae, image_state_dict(image.vae), how)
        progress = self.context.progress
        progress.stage("image VAE's own quality", len(self.context.heldout))
        on_device = image.vae.to(self.context.arithmetic.device)
        scores = self.bench.once(
            image.digest,
            self.context.cache,
            lambda: self.bench.score(on_device, done=progress.done),
        )
        self.context.log_scores("image_vae", scores, step=0)

    def _note_missing_lpips(self) -> None:
        losses = self.context.config.losses
        if losses.lpips_weight > 0 and not self.lpips_loss:
            self.context.progress.note(
                f"trained without the LPIPS term: the weights of {losses.lpips_backbone.value} are "
                "not on this computer (odvae weights tells how to get them)"
            )

    def _log_curve_point(self, state: TrainingState) -> EvaluationResult:
        """Look at the held-out clips."""
        context = self.context
        context.progress.stage(f"look at step {state.step}", len(context.heldout))
        averaged = state.ema.model
        assert isinstance(averaged, ODVAE)
        # The Frechet network costs more than the rest: at the ends of the curve only.
        result = self.bench.score(averaged, done=context.progress.done, quick=state.step > 0)
        context.log_scores("eval", result.values(), step=state.step)
        if state.step == 0:
            context.log_scores("zero_step", result.values(), step=0)
            for position, values in enumerate(result.values_by_position()):
                context.log_scores("zero_step", values, step=position)
        context.log.flush()
        return result
