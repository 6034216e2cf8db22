"""Small videos with what files have in the world, and a small VAE to send them through."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray

from odvae.model import ODVAE, Operators

SOUND_HZ = 16000
_SAMPLES = 1024  # of a packet


def save_vae(folder: Path, *, operators: Operators = Operators.strict, seed: int = 0) -> Path:
    """A random variant 4 of width 8."""
    torch.manual_seed(seed)
    vae = ODVAE.variant(4, width=8, blocks=1, norm_groups=4, operators=operators)
    vae.save(folder)
    return folder


def picture(number: int, *, height_px: int = 24, width_px: int = 32) -> NDArray[np.uint8]:
    """A smooth picture that moves: uint8 (H, W, 3)."""
    y, x = np.mgrid[:height_px, :width_px]
    waves = [np.sin((x + 2 * number) / 5), np.cos((y + number) / 4), np.sin((x + y) / 7)]
    return np.asarray(127.5 + 100 * np.stack(waves, axis=-1), dtype=np.uint8)


def make_video(
    path: Path,
    pts: Sequence[int],
    *,
    size_px: tuple[int, int] = (24, 32),
    rate: Fraction = Fraction(25),
    time_base: Fraction = Fraction(1, 1000),
    sound: str | None = None,
    degrees: int = 0,
    frames: NDArray[np.uint8] | None = None,
) -> Path:
    """A video with a frame at each time; ``sound`` is the codec of a tone as long as it."""
    height, width = size_px if frames is None else frames.shape[1:3]
    codec = "ffv1" if path.suffix == ".mkv" else "libx264"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = height, width
        stream.pix_fmt = "bgr0" if codec == "ffv1" else "yuv420p"
        stream.codec_context.time_base = time_base
        if degrees:
            stream.set_display_rotation(degrees)
        tone: av.AudioStream | None = None
        if sound is not None:
            added = container.add_stream(sound, rate=SOUND_HZ, layout="mono")
            assert isinstance(added, av.AudioStream)
            tone = added
        for number, tick in enumerate(pts):
            if frames is not None:
                rgb = frames[number]
            else:
                rgb = picture(number, height_px=height, width_px=width)
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = tick, time_base
            container.mux(stream.encode(frame))
        if tone is not None:
            samples = int((pts[-1] - pts[0]) * time_base * SOUND_HZ)
            for start in range(0, samples, _SAMPLES):
                container.mux(tone.encode(_tone(start)))
            container.mux(tone.encode(None))
        container.mux(stream.encode(None))
    return path


def _tone(start: int) -> av.AudioFrame:
    wave = np.sin(np.arange(start, start + _SAMPLES) * 2 * np.pi * 440 / SOUND_HZ)[None]
    frame = av.AudioFrame.from_ndarray(wave.astype(np.float32) / 2, "fltp", "mono")
    frame.sample_rate, frame.pts, frame.time_base = SOUND_HZ, start, Fraction(1, SOUND_HZ)
    return frame


def times_s(path: Path) -> list[float]:
    """When each frame is shown, from the start of the file."""
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(video=0) if frame.time is not None]


def pictures(path: Path) -> NDArray[np.uint8]:
    """All frames: uint8 (T, H, W, 3)."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def sound_packets(path: Path) -> list[tuple[float, bytes]]:
    """Each packet of the sound: when, and what."""
    with av.open(str(path)) as container:
        return [
            (round(float(p.dts * p.time_base), 3), bytes(p))
            for p in container.demux(audio=0)
            if p.dts is not None and p.size
        ]
