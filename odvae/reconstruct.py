"""The command that sends a video file through a VAE and writes what comes back.

python -m odvae.reconstruct IN.mp4 OUT.mp4 --vae my_vae --side-by-side --metrics
"""

import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np

from odvae.compose import Parser, interruptible_exit_code
from odvae.data.pixels import to_uint8
from odvae.experiment.progress import counting
from odvae.filecoding.options import add_options, choose, path_of
from odvae.filecoding.reader import Frame, look_at, read
from odvae.filecoding.scores import check_size, scoring
from odvae.filecoding.writer import check_target, writing


def main(argv: Sequence[str] | None = None) -> int:
    """Reconstruct; returns the exit code: 2 for a user's mistake, 130 when interrupted."""
    return interruptible_exit_code(
        lambda: _reconstruct(_parse(argv)), left="what was done is in OUT, and plays"
    )


def _parse(argv: Sequence[str] | None) -> Namespace:
    parser = Parser(
        prog="odvae reconstruct",
        description="Send a video file of any length and size through a VAE, and write what comes "
        "back: the same frames at the same times, with the same sound. OUT plays at any moment, "
        "also after a kill.",
    )
    parser.add_argument("source", metavar="IN", type=path_of, help="a video that FFmpeg reads")
    parser.add_argument(
        "target", metavar="OUT", type=path_of, help=".mp4, .m4v, .mov or .mkv, as H.264"
    )
    add_options(parser)
    parser.add_argument("--side-by-side", action="store_true", help="the original on the left")
    parser.add_argument(
        "--metrics", action="store_true", help="PSNR and SSIM of each frame, into OUT.csv"
    )
    parser.add_argument("--lossless", action="store_true", help="FFV1, into .mkv")
    parser.add_argument("--no-audio", action="store_true", help="leave the sound out")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT")
    return parser.parse_args(argv)


def _reconstruct(asked: Namespace) -> None:
    check_target(
        asked.target, source=asked.source, lossless=asked.lossless, overwrite=asked.overwrite
    )
    footage = look_at(asked.source)
    height_px, width_px = footage.height_px, footage.width_px
    if asked.metrics:
        check_size(height_px, width_px)
    chosen = choose(asked)
    print(*chosen.told, sep="\n")
    time_base = footage.timing.time_base
    with ExitStack() as stack:
        writer = stack.enter_context(
            writing(
                asked.target,
                size_px=(height_px, width_px * (2 if asked.side_by_side else 1)),
                timing=footage.timing,
                pixel_aspect=footage.pixel_aspect,
                lossless=asked.lossless,
                audio=None if asked.no_audio else asked.source,
            )
        )
        scores_file = asked.target.with_suffix(asked.target.suffix + ".csv")
        scores = stack.enter_context(scoring(scores_file)) if asked.metrics else None
        advance = stack.enter_context(counting("reconstruct", footage.about_frames))
        for frame, pixels in chosen.coder.reconstruct(
            read(footage), height_px=height_px, width_px=width_px
        ):
            rgb = to_uint8(pixels[0])[0]
            if scores is not None:
                scores.add(frame, pixels, time_s=float(frame.pts * time_base))
            shown = np.concatenate([frame.rgb, rgb], axis=1) if asked.side_by_side else rgb
            writer.write(Frame(shown, frame.pts))
            advance(writer.frames)
    print(f"written  {asked.target}: {writer.frames} frames of {height_px}x{width_px} px")
    for note in writer.told:
        print(f"         {note}")
    if scores is not None:
        print(f"metrics  {scores_file}: {scores}")


if __name__ == "__main__":
    sys.exit(main())
