"""The command that encodes a video file into a file of latents.

python -m odvae.encode IN.mp4 LATENTS.safetensors --vae my_vae
"""

import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from odvae.compose import Parser, interruptible_exit_code
from odvae.experiment.progress import counting
from odvae.filecoding.latents_file import header_of, writing_latents
from odvae.filecoding.options import add_options, choose, path_of
from odvae.filecoding.reader import look_at, read
from odvae.filecoding.writer import check_free


def main(argv: Sequence[str] | None = None) -> int:
    """Encode; returns the exit code: 2 for a user's mistake, 130 when interrupted."""
    return interruptible_exit_code(lambda: _encode(_parse(argv)), left="nothing is written")


def _parse(argv: Sequence[str] | None) -> Namespace:
    parser = Parser(
        prog="odvae encode",
        description="Encode a video file of any length and size into latents, in a safetensors "
        "file that also holds what odvae decode needs.",
    )
    parser.add_argument("source", metavar="IN", type=path_of, help="a video that FFmpeg reads")
    parser.add_argument("target", metavar="LATENTS", type=path_of, help="a .safetensors file")
    add_options(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace LATENTS")
    return parser.parse_args(argv)


def _encode(asked: Namespace) -> None:
    check_free(asked.target, source=asked.source, overwrite=asked.overwrite)
    footage = look_at(asked.source)
    chosen = choose(asked)
    print(*chosen.told, sep="\n")
    header = header_of(
        chosen.loaded,
        chosen.tiling,
        size_px=(footage.height_px, footage.width_px),
        timing=footage.timing,
        pixel_aspect=footage.pixel_aspect,
    )
    with (
        writing_latents(asked.target, header) as writer,
        counting("encode", footage.about_frames) as advance,
    ):

        def frames() -> Iterator[NDArray[np.uint8]]:
            for frame in read(footage):
                writer.add_time(frame.pts)
                advance(writer.frames)
                yield frame.rgb

        for latents in chosen.coder.encode(frames()):
            writer.add(latents)
    print(f"written  {asked.target}: latents {writer.shape} of {writer.frames} frames")


if __name__ == "__main__":
    sys.exit(main())
