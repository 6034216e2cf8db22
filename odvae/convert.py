"""``python -m odvae.convert SRC DST --to odvae|official|diffusers``: weights in another form.

SRC is anything that odvae.load reads and that is an OD-VAE or an SD-VAE. Tensors keep their types
and bits. ``official`` writes a .safetensors file with bare tensors, a .ckpt, .pt, .pth or .bin file
with {"state_dict": tensors}, or, under any other name, a folder with config.json; for an SD-VAE it
is a file in CompVis' names. ``diffusers`` writes a folder for AutoencoderKL, for an SD-VAE only.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from odvae.errors import UserError
from odvae.model.saved import StoredVAE
from odvae.vaes.loading import find, read
from odvae.vaes.writing import Target, write


def main(argv: Sequence[str] | None = None) -> int:
    """Convert; returns the exit code, 2 for a user's mistake."""
    arguments = _parser().parse_args(argv)
    target = Path(arguments.destination).expanduser()
    try:
        found = find(arguments.source)
        stored, form = read(found)
        commit = f" (commit {found.revision})" if found.revision else ""
        print(f"read     {found.weights[0]}{commit}")
        print(f"         {form.value}: {_described(stored)}")
        write(stored, Target(arguments.to), target)
    except UserError as error:
        print(f"odvae: {error}", file=sys.stderr)
        return 2
    inside = f" ({', '.join(sorted(p.name for p in target.iterdir()))})" if target.is_dir() else ""
    print(f"written  {target}{inside}")
    return 0


def _described(stored: StoredVAE) -> str:
    a, tensors = stored.architecture, stored.tensors.values()
    types = Counter(str(tensor.dtype).removeprefix("torch.") for tensor in tensors)
    return (
        f"{a.title}, width {a.width}, "
        f"blocks {a.blocks}, latent_channels {a.latent_channels}, norm_groups {a.norm_groups}, "
        f"operators {a.operators.value}\n         {len(tensors)} tensors, "
        f"{sum(tensor.numel() for tensor in tensors):,} parameters, {', '.join(types)}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="odvae convert",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="SRC", help="a file, a folder, or owner/name of the hub")
    parser.add_argument("destination", metavar="DST", help="a place where nothing is yet")
    parser.add_argument("--to", required=True, choices=[target.value for target in Target])
    return parser


if __name__ == "__main__":
    sys.exit(main())
