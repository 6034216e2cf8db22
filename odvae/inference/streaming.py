"""Video of any length through a VAE in pieces, exactly as in one piece, in constant memory.

Tensors are (B, C, T, H, W), pixels in [-1, 1]. Gradients are the caller's business; they keep
every piece alive, so memory is constant without them only.
"""

from collections.abc import Callable, Iterable, Iterator

from torch import Tensor

from odvae.errors import UserError
from odvae.inference.seams import Seams
from odvae.inference.temporal import continued
from odvae.model import StreamingVAE, VideoVAE
from odvae.model.streaming import State

# The next frames, the state before them and whether they are the last, to output and state.
_Step = Callable[[Tensor, State, bool], tuple[Tensor, State]]


def check_streams(vae: VideoVAE) -> StreamingVAE:
    """Return the VAE if what it makes of pieces is what it makes of the whole.

    Raises:
        UserError: it is not so; the message says why, and what else there is.
    """
    if not isinstance(vae, StreamingVAE):
        raise UserError(
            f"tiling=stream needs a model that carries its state from piece to piece, and "
            f"{getattr(vae, 'name', type(vae).__name__)} does not: tiling=off or tiling=temporal"
        )
    if vae.whole_only is not None:
        raise UserError(f"tiling=stream cannot be exact: {vae.whole_only}, or tiling=temporal")
    return vae


def encode_stream(vae: VideoVAE, pieces: Iterable[Tensor]) -> Iterator[Tensor]:
    """Encode a video that comes in pieces, each when it is asked for.

    A length that the VAE does not take is continued by repeating the last frame, up to the next
    that it takes. Who decodes has to know the number of frames, to drop what is decoded of these.

    Args:
        vae: a VAE that can be streamed.
        pieces: consecutive frames (B, 3, n, H, W) in [-1, 1], n of any size from 1; H and W are
            multiples of the VAE's compression.

    Returns:
        Raw moments (B, 2 C, n', H / 8, W / 8), n' at least 1, as soon as they are complete.
        Joined along time, they are the ``moments`` of the whole video's posterior.

    Raises:
        UserError: the VAE cannot be streamed.
        ValueError: pieces that do not fit the VAE or each other, or none at all.
    """
    streaming = check_streams(vae)

    def step(x: Tensor, state: State, last: bool) -> tuple[Tensor, State]:
        return streaming.encode_piece(x, state, last=last)

    return _outputs(step, continued(pieces, vae.clip_lengths))


def decode_stream(vae: VideoVAE, pieces: Iterable[Tensor]) -> Iterator[Tensor]:
    """Decode latents that come in pieces, each when it is asked for.

    Args:
        vae: a VAE that can be streamed.
        pieces: consecutive latents (B, C, n, h, w), n of any size from 1.

    Returns:
        Pixels (B, 3, n', 8 h, 8 w), unclamped, n' at least 1, as soon as they are complete:
        with a look-ahead of one latent (operators=strict_trilinear), after the next latent.

    Raises:
        UserError: the VAE cannot be streamed.
        ValueError: pieces that do not fit the VAE or each other, or none at all.
    """
    streaming = check_streams(vae)

    def step(x: Tensor, state: State, last: bool) -> tuple[Tensor, State]:
        return streaming.decode_piece(x, state, last=last)

    return _outputs(step, pieces)


def chunk_seams(frames: int, *, chunk_frames: int) -> Seams:
    """Where the chunks that are handed in meet."""
    return Seams(frames=tuple(range(chunk_frames, frames, chunk_frames)))


def _outputs(step: _Step, pieces: Iterable[Tensor]) -> Iterator[Tensor]:
    state: State = None
    for piece, last in _with_last(_alike(pieces)):
        out, state = step(piece, state, last)
        if out.shape[2]:
            yield out


def _with_last(pieces: Iterable[Tensor]) -> Iterator[tuple[Tensor, bool]]:
    """Each piece, and whether it is the last: known by asking for the next one."""
    waiting: Tensor | None = None
    for piece in pieces:
        if waiting is not None:
            yield waiting, False
        waiting = piece
    if waiting is None:
        raise ValueError("a video needs at least one piece, got none")
    yield waiting, True


def _alike(pieces: Iterable[Tensor]) -> Iterator[Tensor]:
    """The pieces, as long as they are of one video."""
    first: tuple[int, ...] | None = None
    for piece in pieces:
        if piece.ndim != 5 or not piece.shape[2]:
            raise ValueError(f"a piece must be (B, C, n, H, W), n >= 1, got {tuple(piece.shape)}")
        batch, channels, _, *size = piece.shape
        first = first or (batch, channels, *size)
        if (batch, channels, *size) != first:
            raise ValueError(
                f"pieces of a video must have one (B, C, H, W), got {first}, then "
                f"{(batch, channels, *size)}"
            )
        yield piece
