"""The command that decodes a file of latents into a video file.

python -m odvae.decode LATENTS.safetensors OUT.mp4
"""

import sys
from argparse import Namespace
from collections.abc import Sequence

from odvae.compose import Parser, interruptible_exit_code
from odvae.data.pixels import to_uint8
from odvae.errors import UserError
from odvae.experiment.progress import counting
from odvae.filecoding.latents_file import LatentsFile, open_latents
from odvae.filecoding.options import Chosen, add_options, choose, path_of
from odvae.filecoding.reader import Frame
from odvae.filecoding.writer import check_target, writing


def main(argv: Sequence[str] | None = None) -> int:
    """Decode; returns the exit code: 2 for a user's mistake, 130 when interrupted."""
    return interruptible_exit_code(
        lambda: _decode(_parse(argv)), left="what was done is in OUT, and plays"
    )


def _parse(argv: Sequence[str] | None) -> Namespace:
    parser = Parser(
        prog="odvae decode",
        description="Decode the latents that odvae encode wrote: the frames of the video at their "
        "times. OUT plays at any moment, also after a kill.",
    )
    parser.add_argument("source", metavar="LATENTS", type=path_of, help="from odvae encode")
    parser.add_argument(
        "target", metavar="OUT", type=path_of, help=".mp4, .m4v, .mov or .mkv, as H.264"
    )
    add_options(parser, of_file=True)
    parser.add_argument("--force", action="store_true", help="decode with another VAE")
    parser.add_argument("--audio-from", metavar="IN", type=path_of, help="a video with the sound")
    parser.add_argument("--lossless", action="store_true", help="FFV1, into .mkv")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT")
    return parser.parse_args(argv)


def _decode(asked: Namespace) -> None:
    check_target(
        asked.target, source=asked.source, lossless=asked.lossless, overwrite=asked.overwrite
    )
    coded = open_latents(asked.source)
    header = coded.header
    chosen = choose(asked, vae=header.vae, tiling=header.tiling_config)
    if not asked.force:
        _check_same_vae(chosen, coded)
    print(*chosen.told, sep="\n")
    with (
        writing(
            asked.target,
            size_px=(header.height_px, header.width_px),
            timing=header.timing,
            pixel_aspect=header.pixel_shape,
            lossless=asked.lossless,
            audio=asked.audio_from,
        ) as writer,
        counting("decode", coded.frames) as advance,
    ):
        decoded = chosen.coder.decode(
            coded.read(), height_px=header.height_px, width_px=header.width_px
        )
        # The times end where the video did; the repetition of its last frame is left.
        for pts, pixels in zip(coded.times(), decoded, strict=False):
            writer.write(Frame(to_uint8(pixels[0])[0], pts))
            advance(writer.frames)
    print(
        f"written  {asked.target}: {writer.frames} frames of {header.height_px}x{header.width_px} "
        "px"
    )
    for note in writer.told:
        print(f"         {note}")


def _check_same_vae(chosen: Chosen, coded: LatentsFile) -> None:
    """Refuse a VAE of another function than that which made the latents. Raises UserError."""
    made_by, got = coded.header.vae_digest, chosen.loaded.digest
    if got != made_by:
        raise UserError(
            f"{coded.path}: made by {coded.header.vae} (digest {made_by[:12]}), and "
            f"{chosen.loaded.source} has digest {got[:12]}; --force decodes all the same"
        )


if __name__ == "__main__":
    sys.exit(main())
