"""What a description says of causality, in words and in characters."""

from collections.abc import Sequence

from odvae.anatomy.description import CoderDescription, ModelDescription, Sees
from odvae.model.causality import Frames

_ROWS = 7  # of a picture
_COLUMNS = 49  # frames, or latents, of a picture


def causality_lines(model: ModelDescription) -> list[str]:
    """Who sees what, and whether that is strictly so."""
    encoder, decoder = model.encoder, model.decoder
    lines = [
        _range("A latent sees", encoder, "frame"),
        _range("A frame is made from", decoder, "latent"),
    ]
    ahead = encoder.reach.ahead or decoder.reach.ahead
    if encoder.whole_clip_statistics or decoder.whole_clip_statistics:
        lines += [
            "This is by convolutions and interpolation alone. The norms take their statistics over",
            "the whole clip, so strictly every latent and every frame depends on all frames.",
        ]
    elif ahead:
        lines.append("The norms take their statistics per frame: but for the look-ahead, causal.")
    else:
        lines.append("The norms take their statistics per frame: strictly causal.")
    return lines


def encoder_picture(model: ModelDescription) -> list[str]:
    """A line for each of the first latents, a column for each frame."""
    return _picture(model.encoder, "latent", model.clip.frames)


def decoder_picture(model: ModelDescription) -> list[str]:
    """A line for each of the first frames, or several alike, a column for each latent."""
    return _picture(model.decoder, "frame", model.latents.frames)


def _range(who: str, coder: CoderDescription, what: str) -> str:
    reach = coder.reach
    if reach.frames == 1:
        return f"{who} its own {what} only."
    own = max(1, int(reach.rate))
    its_own = "its own" if own == 1 else f"its own {own}"
    ahead = f"{reach.ahead} ahead" if reach.ahead else "none ahead"
    before = reach.context + 1 - own
    return f"{who} up to {reach.frames} {what}s: {its_own}, {before} before, {ahead}."


def _picture(coder: CoderDescription, what: str, inputs: int) -> list[str]:
    lines = []
    for sees in coder.sees[:_ROWS]:
        drawn = "".join(_mark(frame, sees) for frame in range(min(inputs, _COLUMNS)))
        cut = " ..." if inputs > _COLUMNS else ""
        lines.append(f"{_named(what, sees.outputs):<14}{drawn}{cut}  {_ends(sees.seen)}")
    if len(coder.sees) > _ROWS:
        lines.append("...")
    return lines


def _mark(frame: int, sees: Sees) -> str:
    if not sees.seen.first <= frame <= sees.seen.last:
        return "."
    if frame > sees.own.last:
        return ">"
    return "#" if frame >= sees.own.first else "+"


def _named(what: str, frames: Frames) -> str:
    return f"{what} {_ends(frames)}" if frames.length == 1 else f"{what}s {_ends(frames)}"


def _ends(frames: Sequence[int]) -> str:
    first, last = frames
    return f"{first}" if first == last else f"{first}-{last}"
