"""Time, error and memory of ``odvae.accelerate`` against the plain model and against others.

    python experiments/acceleration/bench.py                       # variant 4, 1x3x9x128x128
    python experiments/acceleration/bench.py --frames 1 --rounds 5
    python experiments/acceleration/bench.py --peers               # diffusers' VAEs as well

Random weights, one process. In each round every model codes the same clip once, in turn, so that
what else the machine does meets all of them alike. Clips are (B, C, T, H, W).
"""

import argparse
import csv
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
from torch import Tensor

from odvae import ODVAE, accelerate
from odvae.anatomy.memory import LiveTensors
from odvae.model import VideoVAE
from odvae.vaes.diffusers_vae import DiffusersVAE

RESULTS = Path(__file__).parent / "results"
MIB = 2**20


class Pass(NamedTuple):
    """One clip to latents and back."""

    encode_s: float
    decode_s: float
    encode_cpu_s: float  # of all threads: what other programs take does not count
    decode_cpu_s: float


def main() -> None:
    """Measure, print a table and write it under results/."""
    options = _options()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    dtype = torch.bfloat16 if options.bf16 else torch.float32
    plain = ODVAE.variant(options.variant, width=options.width).eval().requires_grad_(False)
    fast = accelerate(plain, dtype=dtype)
    plain.to(dtype)
    clip = 2 * torch.rand(1, 3, options.frames, options.size_px, options.size_px) - 1
    clip = clip.to(dtype)
    models: dict[str, Any] = {"plain": plain, "accelerated": fast}
    if options.peers:
        image = ODVAE.image().to(dtype).eval().requires_grad_(False)
        models |= {"SD-VAE, frame by frame": image}
        models |= {vae.name: vae for vae in _peers(dtype)}
    with torch.no_grad():
        latents = plain.encode(clip).mode()
        errors = _errors(plain, fast, clip, latents)
        memory = {name: _peaks(models[name], clip, latents) for name in ("plain", "accelerated")}
        passes: dict[str, list[Pass]] = {name: [] for name in models}
        for _ in range(options.rounds):
            for name, model in models.items():
                passes[name].append(_timed(model, clip))
    rows = [_row(name, passes[name], passes["plain"], memory.get(name)) for name in models]
    _report(rows, errors, file=RESULTS / _file_name(options))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variant", type=int, default=4)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--frames", type=int, default=9)
    parser.add_argument("--size-px", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--peers", action="store_true", help="also diffusers' VAEs")
    return parser.parse_args()


def _peers(dtype: torch.dtype) -> Iterator[DiffusersVAE]:
    """With random weights, in the published sizes (SVD's is not its class's default)."""
    import diffusers  # noqa: PLC0415 - takes seconds

    wide = {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2}
    peers = [
        diffusers.AutoencoderKLWan(),
        diffusers.AutoencoderKLCogVideoX(),
        diffusers.AutoencoderKLTemporalDecoder(
            down_block_types=("DownEncoderBlock2D",) * 4, **wide
        ),
    ]
    for peer in peers:
        yield DiffusersVAE(peer.to(dtype).eval().requires_grad_(False))


def _timed(vae: VideoVAE, clip: Tensor) -> Pass:
    marks = [(time.perf_counter(), time.process_time())]
    latents = vae.encode(clip).mode()
    marks.append((time.perf_counter(), time.process_time()))
    vae.decode(latents)
    marks.append((time.perf_counter(), time.process_time()))
    (wall_0, cpu_0), (wall_1, cpu_1), (wall_2, cpu_2) = marks
    return Pass(wall_1 - wall_0, wall_2 - wall_1, cpu_1 - cpu_0, cpu_2 - cpu_1)


def _errors(plain: ODVAE, fast: VideoVAE, clip: Tensor, latents: Tensor) -> tuple[float, float]:
    """Largest differences of the moments and of the pixels decoded from the same latents."""
    moments = plain.encode(clip).moments - fast.encode(clip).moments
    pixels = plain.decode(latents) - fast.decode(latents)
    return float(moments.abs().max()), float(pixels.abs().max())


def _peaks(vae: Any, clip: Tensor, latents: Tensor) -> tuple[float, float]:
    """Live activations at the worst moment of encoding and of decoding, MiB, weights left out."""
    weights = [*vae.parameters(), *vae.buffers()]
    peaks = []
    for act, x in ((vae.encode, clip), (vae.decode, latents)):
        with LiveTensors(free_of_charge=[*weights, x]) as live:
            act(x)
        peaks.append(live.peak_bytes / MIB)
    return peaks[0], peaks[1]


def _row(
    name: str, own: list[Pass], plain: list[Pass], memory: tuple[float, float] | None
) -> dict[str, str]:
    row = {"model": name}
    for field in Pass._fields:
        row[field] = f"{median(getattr(timed, field) for timed in own):.2f}"
    pairs = list(zip(plain, own, strict=True))
    for clock, fields in (("wall", slice(0, 2)), ("cpu", slice(2, 4))):
        ratio = median(sum(p[fields]) / sum(q[fields]) for p, q in pairs)
        row[f"speedup_{clock}"] = f"{ratio:.2f}"
    row["encode_peak_mib"], row["decode_peak_mib"] = (
        (f"{peak:.0f}" for peak in memory) if memory else ("", "")
    )
    return row


def _report(rows: list[dict[str, str]], errors: tuple[float, float], *, file: Path) -> None:
    for row in rows:
        largest = errors if row["model"] == "accelerated" else ("", "")
        row["encode_error"], row["decode_error"] = (
            f"{error:.1e}" if isinstance(error, float) else error for error in largest
        )
    print(" | ".join(rows[0]))
    for row in rows:
        print(" | ".join(row.values()))
    file.parent.mkdir(exist_ok=True)
    with file.open("w", newline="") as opened:
        table = csv.DictWriter(opened, fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def _file_name(options: argparse.Namespace) -> str:
    size = f"{options.frames}x{options.size_px}x{options.size_px}"
    precision = "bf16" if options.bf16 else "fp32"
    others = "_peers" if options.peers else ""
    return f"variant{options.variant}_{size}_{precision}_{options.threads}threads{others}.csv"


if __name__ == "__main__":
    main()
