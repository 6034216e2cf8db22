"""A description as text of at most 100 columns."""

import io
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from odvae.anatomy.causality import causality_lines, decoder_picture, encoder_picture
from odvae.anatomy.description import CoderDescription, ModelDescription, Summary
from odvae.anatomy.memory import MemoryEstimate
from odvae.anatomy.parts import PartRow

COLUMNS = 100
_INDENT = (0, 0, 0, 2)
_MEMORY_NOTES = (
    "Weights and the tensors alive at the worst moment; bf16 is autocast over fp32 weights.",
    "Training adds gradients, Adam and EMA in fp32; L1 and KL, without the network of LPIPS.",
    "Not counted: workspaces and layout copies of convolutions, what an allocator holds back.",
)


def model_text(model: ModelDescription) -> str:
    """Tables of encoder and decoder, which frames they see, and what a clip costs."""
    encoder, decoder = model.encoder, model.decoder
    return _text(
        [
            *_headline(model),
            _heading("Encoder: pixels to latents"),
            _parts(encoder, sees="frames"),
            _heading("Decoder: latents to pixels"),
            _parts(decoder, sees="latents"),
            _heading("Causality"),
            *_indented(causality_lines(model)),
            _heading("Frames that a latent sees   (# its own, + before, > ahead)"),
            *_indented(encoder_picture(model)),
            _heading("Latents that a frame is made from"),
            *_indented(decoder_picture(model)),
            _heading("Memory (estimate)"),
            _memory(model.memory),
            *_indented(_MEMORY_NOTES),
        ]
    )


def summary_text(summary: Summary) -> str:
    """The totals alone."""
    return _text([f"{summary.kind}: {summary.parameters:,} parameters", *_facts(summary)])


def _headline(model: ModelDescription) -> list[str]:
    arch, summary = model.architecture, model.summary
    encoder, decoder = model.encoder, model.decoder
    quant = next(part.parameters for part in encoder.parts if part.name == "quant_conv")
    post_quant = next(part.parameters for part in decoder.parts if part.name == "post_quant_conv")
    size = model.latents
    title = arch.title[0].upper() + arch.title[1:]
    return [
        f"{title}: width {arch.width}, residual blocks {arch.blocks} + "
        f"{arch.blocks + 1}, norm groups {arch.norm_groups}, {arch.operators.value} operators",
        f"{summary.parameters:,} parameters: encoder {encoder.parameters - quant:,}, "
        f"decoder {decoder.parameters - post_quant:,}, quant convs {quant + post_quant:,}",
        f"Clip 3 x {_times(model.clip)}, latents {arch.latent_channels} x {_times(size)}: "
        f"{encoder.flops / 1e9:,.1f} GFLOP to encode, {decoder.flops / 1e9:,.1f} to decode",
        *_facts(summary),
    ]


def _facts(summary: Summary) -> list[str]:
    scale, shift = (", ".join(f"{x:g}" for x in xs) for xs in (summary.scale, summary.shift))
    low, high = summary.input_range
    return [
        f"Compression {summary.compression} (VCPR {summary.vcpr}), "
        f"{summary.latent_channels} latent channels, clips of {summary.clip_lengths} frames",
        f"Latents for diffusion: (z - shift) * scale, scale {scale}, shift {shift}",
        f"Pixels inside the network: [{low:g}, {high:g}]",
    ]


def _parts(coder: CoderDescription, *, sees: str) -> RenderableType:
    table = Table(box=box.SIMPLE, show_footer=True, show_edge=False, pad_edge=False)
    table.add_column("part", footer="all")
    table.add_column("kind")
    table.add_column("channels", justify="right")
    table.add_column("T x H x W", justify="right")
    table.add_column("parameters", justify="right", footer=f"{coder.parameters:,}")
    table.add_column("GFLOP", justify="right", footer=f"{coder.flops / 1e9:,.2f}")
    table.add_column(f"{sees} seen", justify="right", footer=_seen(coder.parts[-1]))
    for part in coder.parts:
        table.add_row(
            part.name,
            part.kind,
            str(part.channels),
            f"{part.frames} x {part.height} x {part.width}",
            f"{part.parameters:,}",
            f"{part.flops / 1e9:,.2f}",
            _seen(part),
        )
    return Padding(table, _INDENT)


def _seen(part: PartRow) -> str:
    ahead = f", {part.reach.ahead} ahead" if part.reach.ahead else ""
    return f"{part.reach.frames}{ahead}"


def _memory(estimates: Sequence[MemoryEstimate]) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("")
    for estimate in estimates:
        table.add_column(estimate.precision, justify="right")
    columns = [_memory_rows(estimate) for estimate in estimates]
    for name in columns[0]:
        table.add_row(name, *(_size(column[name]) for column in columns))
    return Padding(table, _INDENT)


def _memory_rows(estimate: MemoryEstimate) -> dict[str, int]:
    """Bytes by name."""
    steps = {f"training step, batch {batch}": peak for batch, peak in estimate.train.items()}
    return {
        "weights": estimate.weights,
        "encode one clip": estimate.encode,
        "decode one clip": estimate.decode,
        **steps,
    }


def _size(count: int) -> str:
    return f"{count / 2**30:,.2f} GiB" if count >= 2**30 else f"{count / 2**20:,.1f} MiB"


def _times(size: object) -> str:
    return str(size).replace("x", " x ")


def _heading(title: str) -> RenderableType:
    return Text(f"\n{title}", style="bold")


def _indented(lines: Iterable[str]) -> list[RenderableType]:
    return [Padding(Text(line), _INDENT) for line in lines]


def _text(blocks: Iterable[RenderableType]) -> str:
    out = io.StringIO()
    console = Console(file=out, width=COLUMNS, highlight=False, markup=False)
    for block in blocks:
        console.print(block)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"
