"""The sound of a video file, handed on to another file as its frames are written.

Packets are copied as they are where the container takes them, and coded as AAC where it does not.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import av
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer

from odvae.data.index import opened_video
from odvae.filecoding.reader import start_us

_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_US = 1_000_000


class AudioTracks(AbstractContextManager["AudioTracks"]):
    """All audio streams of a file, on their way into another one.

    Attributes:
        told: what becomes of each stream, in words.
    """

    def __init__(self, source: Path, target: OutputContainer) -> None:
        """Add streams to ``target``, which must not have been begun.

        Raises:
            UnreadableVideo: the source cannot be opened.
        """
        self._opened = opened_video(source)
        container, _ = self._opened.__enter__()
        self._tracks: dict[int, _Track] = {}
        self.told: list[str] = []
        for stream in container.streams.audio:
            track, told = _track(stream, target)
            self.told.append(told)
            if track is not None:
                self._tracks[stream.index] = track
        self._start_s = Fraction(start_us(container), _US)
        taken = [stream for stream in container.streams.audio if stream.index in self._tracks]
        # Of these streams only; without any, demux would give the packets of all.
        self._packets: Iterator[av.Packet[Any]] = container.demux(*taken) if taken else iter(())
        self._next = self._usable()

    def hand_on(self, until_s: float | None = None) -> None:
        """Write the packets up to a time, or all that are left."""
        while self._next is not None:
            packet, time_s = self._next
            if until_s is not None and time_s > until_s:
                return
            self._tracks[packet.stream_index].write(packet)
            self._next = self._usable()

    def end(self) -> None:
        """Write what encoders hold back."""
        for track in self._tracks.values():
            track.end()

    def _usable(self) -> "tuple[av.Packet[AudioStream], float] | None":
        """The next packet with a time, counted from the start of the file."""
        for packet in self._packets:
            time = packet.dts if packet.dts is not None else packet.pts
            if packet.size and time is not None:
                shift = round(self._start_s / packet.time_base)
                packet.dts = time - shift
                packet.pts = packet.dts if packet.pts is None else packet.pts - shift
                return packet, float(packet.dts * packet.time_base)
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.__exit__(None, None, None)


class _Track(Protocol):
    def write(self, packet: "av.Packet[AudioStream]") -> None: ...

    def end(self) -> None: ...


class _Copied:
    """Packets go over as they are."""

    def __init__(self, stream: AudioStream, target: OutputContainer) -> None:
        self._stream = target.add_stream_from_template(stream)
        self._target = target

    def write(self, packet: "av.Packet[AudioStream]") -> None:
        packet.stream = self._stream
        self._target.mux(packet)

    def end(self) -> None:
        """Nothing is held back."""


class _Recoded:
    """Packets are decoded, and coded anew."""

    def __init__(self, stream: AudioStream, target: OutputContainer) -> None:
        rate_hz = stream.rate if stream.rate in _RATES_HZ else 48000
        self._source, self._target = stream, target
        self._stream = target.add_stream("aac", rate=rate_hz, layout=stream.layout.name)
        self._resampler: AudioResampler | None = None

    def write(self, packet: "av.Packet[AudioStream]") -> None:
        self._write(self._source.decode(packet))

    def end(self) -> None:
        self._write([*self._source.decode(None), None])
        self._target.mux(self._stream.encode(None))

    def _write(self, frames: Sequence[av.AudioFrame | None]) -> None:
        if self._resampler is None:
            context = self._stream.codec_context  # open by now, so the frame size is known
            self._resampler = AudioResampler(
                format=context.format,
                layout=context.layout,
                rate=context.rate,
                frame_size=context.frame_size,
            )
        for frame in frames:
            for resampled in self._resampler.resample(frame):
                self._target.mux(self._stream.encode(resampled))


def _track(stream: AudioStream, target: OutputContainer) -> tuple[_Track | None, str]:
    """A stream's way into the target; None if there is none."""
    if stream.codec_context is None:
        return None, "left out, its codec is unknown"
    name = stream.codec_context.name
    try:
        return _Copied(stream, target), f"{name}, copied"
    except ValueError:  # the container does not take this codec
        return _Recoded(stream, target), f"{name}, coded as AAC"
