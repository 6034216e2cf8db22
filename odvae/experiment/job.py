"""The parts of one run, in the order they happen: initialise, check, train, evaluate, log."""

import json
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from odvae.anatomy import Clip, ModelDescription, Summary, describe, summarise
from odvae.config import Task
from odvae.experiment import artifacts
from odvae.experiment.certificate import certify
from odvae.experiment.context import Context, image_vae
from odvae.experiment.evaluation import Bench, single_group_note
from odvae.experiment.frechet_report import report_frechet
from odvae.experiment.generate import Generation
from odvae.experiment.latent_report import report_latents
from odvae.experiment.learn import Learner
from odvae.experiment.score_tables import write_scores
from odvae.experiment.subject import Subject
from odvae.metrics import EvaluationResult, OriginalFeatures, Stamp, available
from odvae.model import ODVAE, Initialisation, VideoVAE
from odvae.training.image_source import ImageVae


class Job:
    """One run at work."""

    def __init__(self, context: Context, *, subject: Subject | None, lpips_loss: bool) -> None:
        self.context = context
        self.subject = subject  # what is evaluated; None: a model is trained
        self.lpips_loss = lpips_loss

    def execute(self, name: str) -> None:
        """Everything between the run's start and its end in the store."""
        torch.manual_seed(self.context.config.seed)
        torch.backends.cudnn.deterministic = True
        self._log_setup()
        image = self._image_vae()  # before all that takes time: it may not be to be had
        bench = self._bench()
        self._log_references(bench)
        if self.subject is None:
            vae: VideoVAE = Learner(self.context, bench, lpips_loss=self.lpips_loss).learn(image)
        else:
            self.subject.module.to(self.context.arithmetic.device)
            vae = self.subject.vae
        self._log_description(vae)
        self._evaluate_and_log(bench, vae, name)
        certify(self.context, bench, vae)
        report_latents(self.context, bench, vae)
        if self.context.config.task is Task.generate:
            assert self.subject is not None
            Generation(self.context, self.subject).execute()

    # -- before training ---------------------------------------------------------------------

    def _log_setup(self) -> None:
        log, heldout = self.context.log, self.context.heldout
        log.params(self._fields())
        environment = artifacts.environment(self.context.arithmetic)
        log.text(json.dumps(environment, indent=1), "environment.json")
        log.text(json.dumps(self._fields(), indent=1), "config.json")
        log.text(heldout.manifest.to_json(), "clips.json")
        dataset = heldout.summary()
        place = self.context.config.data.path or dataset.name
        log.dataset(dataset.name, dataset.digest, source=place, profile=asdict(dataset))
        skipped = heldout.source.skipped
        log.metrics({"data/skipped_files": len(skipped)}, step=0)
        if skipped:
            log.text("\n".join(f"{s.name}: {s.reason}" for s in skipped), "skipped.txt")
            named = "; ".join(f"{s.name}: {s.reason}" for s in skipped[:5])
            self.context.progress.note(f"{len(skipped)} files skipped: {named}")

    def _fields(self) -> dict[str, Any]:
        """The configuration; of a model that was loaded, with its own architecture."""
        fields = self.context.config.flat()
        if self.subject is not None and isinstance(self.subject.vae, ODVAE):
            of_model = asdict(self.subject.vae.architecture)
            fields["variant"] = of_model.pop("variant")
            fields["operators"] = of_model.pop("operators").value
            fields |= {f"model.{name}": value for name, value in of_model.items()}
        return fields

    def _image_vae(self) -> ImageVae | None:
        """What the weights start from, if a model is trained and they do not start at random."""
        config = self.context.config
        if self.subject is not None or config.init.how is Initialisation.random:
            return None
        return image_vae(
            config,
            self.context.heldout,
            arithmetic=self.context.arithmetic,
            progress=self.context.progress,
        )

    def _bench(self) -> Bench:
        config, progress = self.context.config, self.context.progress
        clips, tiling = config.evaluation_data, config.tiling
        note = single_group_note(tiling, clips.clip_frames)
        if note is not None:
            progress.note(note)
        scorers, missing = available(
            config.metrics,
            clip_shape=(clips.clip_frames, clips.size_px, clips.size_px),
            device=self.context.arithmetic.device,
        )
        for metric in missing:
            self.context.log.tags({f"missing.{metric.name}": metric.reason})
            progress.note(f"{metric.name} is not computed: {metric.reason}")
        stamp = Stamp(
            protocol=config.protocol,
            clips=len(self.context.heldout),
            manifest=self.context.heldout.manifest.digest,
            networks=scorers.networks,
        )
        tags = {"protocol": stamp.fingerprint, "protocol.facts": stamp.facts}
        self.context.log.tags(tags)
        self.context.log.text(stamp.to_json(), "protocol.json")
        return Bench(
            heldout=self.context.heldout,
            scorers=scorers,
            originals=OriginalFeatures(),
            arithmetic=self.context.arithmetic,
            tiling=tiling.build(),
            stamp=stamp,
            seed=config.seed,
        )

    def _log_references(self, bench: Bench) -> None:
        progress = self.context.progress
        progress.stage("references", len(self.context.heldout))
        references = bench.references(self.context.cache, done=progress.done)
        for name, scores in references.items():
            self.context.log_scores(f"reference/{name}", scores, step=0)

    # -- after training ----------------------------------------------------------------------

    def _log_description(self, vae: VideoVAE) -> None:
        """What ``odvae describe`` would say of the model."""
        config = self.context.config
        described: ModelDescription | Summary = summarise(vae)
        if isinstance(vae, ODVAE):
            data = config.data if config.task is Task.train else config.evaluation_data
            frames = vae.clip_lengths.at_least(data.clip_frames)
            clip = Clip(frames, data.size_px, data.size_px)
            described = describe(vae.architecture, clip, train_batch=config.train.batch)
        self.context.log.text(described.text(), "model.txt")
        self.context.log.text(described.to_json(), "model.json")

    def _evaluate_and_log(self, bench: Bench, vae: VideoVAE, name: str) -> None:
        config, log, progress = self.context.config, self.context.log, self.context.progress
        progress.stage("evaluate", len(self.context.heldout))
        result = bench.score(vae, done=progress.done)
        step = config.train.steps if config.task is Task.train else 0
        self.context.log_scores("eval", result.values(), step=step)
        for position, values in enumerate(result.values_by_position()):
            self.context.log_scores("eval", values, step=position)
        for metric in result.missing:
            log.tags({f"missing.{metric.name}": metric.reason})
        if result.non_finite_clips:
            log.tags({"non_finite_clips": result.non_finite_clips})
            progress.note(f"not finite: the reconstructions of {result.non_finite_clips}")
        report_frechet(self.context, result, seed=config.seed)
        self._log_artifacts(bench, vae, result, name)
        assert isinstance(vae, nn.Module)
        cost = bench.speed(vae) | {
            "parameters_millions": sum(p.numel() for p in vae.parameters()) / 1e6,
            "vcpr": vae.compression.volume,
            "wall_s": self.context.elapsed_s,
        }
        if self.subject is None or not self.subject.made_now:  # else a training's peak is in it
            cost["peak_memory_mb"] = artifacts.peak_memory_mb(self.context.arithmetic)
        log.metrics({f"cost/{key}": value for key, value in cost.items()}, step=0)

    def _log_artifacts(
        self, bench: Bench, vae: VideoVAE, result: EvaluationResult, name: str
    ) -> None:
        folder, log = self.context.folder, self.context.log
        if self.subject is None:
            assert isinstance(vae, ODVAE)
            vae.save(folder / "vae")
            for file in (folder / "vae").iterdir():
                log.file(file, "vae")
        stamp, scores = bench.stamp, folder / "scores"
        for file in write_scores(
            result, scores, protocol=stamp.name, fingerprint=stamp.fingerprint
        ):
            log.file(file, "scores")
        _, clips = next(iter(self.context.heldout))
        reconstruction = bench.reconstruct(vae, clips[:1])[0]
        grid, video = folder / "reconstruction.png", folder / "side_by_side.mp4"
        title = f"{name}: {result.psnr_db:.2f} dB over {result.clips} clips"
        artifacts.grid_png(clips[0], reconstruction, grid, title=title)
        artifacts.side_by_side_mp4(clips[0], reconstruction, video)
        log.file(grid, None)
        log.file(video, None)
        protocol = f"protocol {stamp.name} {stamp.fingerprint}"
        log.describe(f"{title}, {protocol}\n\n{log.picture(grid.name)}")
