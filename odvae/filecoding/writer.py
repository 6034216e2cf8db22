"""A video file that plays whenever the writing stops: finished, interrupted or killed.

MP4 and MOV are written in fragments of about a second, and brought into the usual form, with the
index at the front, when they are closed; until that is done the file in fragments stays in place.
Matroska is written in clusters, which need no such care.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from odvae.data.index import UnreadableVideo
from odvae.errors import UserError
from odvae.filecoding.audio import AudioTracks
from odvae.filecoding.reader import Frame, Timing
from odvae.model.atomic import replacing

_MATROSKA = "matroska"
_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": _MATROSKA}
_IN_PARTS = {  # how what is on disk stays playable
    "mp4": {"movflags": "+frag_keyframe+delay_moov+default_base_moof", "flush_packets": "1"},
    "mov": {"movflags": "+frag_keyframe+delay_moov+default_base_moof", "flush_packets": "1"},
    _MATROSKA: {"cluster_time_limit": "1000", "flush_packets": "1"},
}
_CRF = "17"  # x264 quality: no visible loss
# Without B-frames and with a short look-ahead, a kill loses few frames.
_X264 = {"crf": _CRF, "bf": "0", "rc-lookahead": "10"}
_BT709 = 1  # of colour space, transfer and primaries, in FFmpeg's numbers


def check_target(path: Path, *, source: Path, lossless: bool, overwrite: bool) -> None:
    """Refuse a place for a video before anything is computed. Raises UserError."""
    if path.suffix.lower() not in _FORMATS:
        raise UserError(f"{path}: the name must end in {', '.join(_FORMATS)}")
    if lossless and _format(path) != _MATROSKA:
        raise UserError(f"{path}: --lossless is FFV1, which goes into .mkv")
    check_free(path, source=source, overwrite=overwrite)


def check_free(path: Path, *, source: Path, overwrite: bool) -> None:
    """Refuse a place where something is, or without a folder. Raises UserError."""
    if not path.absolute().parent.is_dir():
        raise UserError(f"{path}: no such folder")
    if path.exists():
        if source.exists() and path.samefile(source):
            raise UserError(f"{path}: is the input itself")
        if path.is_dir() or not overwrite:
            kind = "is a folder" if path.is_dir() else "exists; --overwrite replaces it"
            raise UserError(f"{path}: {kind}")


class VideoWriter:
    """Frames into a file, with the sound of another. Made by ``writing``.

    Attributes:
        frames: written so far.
        told: notes on what became of the sound, and of the file.
    """

    def __init__(
        self, path: Path, *, size_px: tuple[int, int], timing: Timing, lossless: bool
    ) -> None:
        height, width = size_px
        self._path, self._timing = path, timing
        self._even = (0, 0) if lossless else (height % 2, width % 2)
        self._pixel_format = "bgr0" if lossless else "yuv420p"
        options = {} if lossless else {**_X264, "g": str(min(max(12, round(timing.rate)), 60))}
        self.container = av.open(
            str(path.absolute()), "w", format=_format(path), options=_IN_PARTS[_format(path)]
        )
        codec = "ffv1" if lossless else "libx264"
        stream = self.container.add_stream(codec, rate=timing.rate, options=options)
        assert isinstance(stream, VideoStream)
        self.stream = stream
        self.stream.height, self.stream.width = height + self._even[0], width + self._even[1]
        self.stream.pix_fmt = self._pixel_format
        self.stream.codec_context.time_base = timing.time_base
        if not lossless:
            self.stream.colorspace = self.stream.color_trc = self.stream.color_primaries = _BT709
            self.stream.color_range = ColorRange.MPEG
        self._converter = VideoReformatter()
        self.audio: AudioTracks | None = None
        self.frames = 0
        self.told: list[str] = []

    def write(self, frame: Frame) -> None:
        """Add a frame: later than the one before, and of the file's size.

        Raises:
            UserError: the file cannot be written further.
        """
        with _told_of(self._path):
            encoded = self._encodable(frame.rgb)
            encoded.pts, encoded.time_base = frame.pts, self._timing.time_base
            encoded.duration = self._timing.ticks
            self.container.mux(self.stream.encode(encoded))
            self.frames += 1
            if self.audio is not None:
                self.audio.hand_on(float((frame.pts + self._timing.ticks) * self._timing.time_base))

    def _encodable(self, rgb: NDArray[np.uint8]) -> av.VideoFrame:
        """An odd height or width gets its last row or column twice: yuv420p has even sizes only."""
        below, right = self._even
        padded = np.pad(rgb, ((0, below), (0, right), (0, 0)), mode="edge")
        return self._converter.reformat(
            av.VideoFrame.from_ndarray(padded, format="rgb24"),
            format=self._pixel_format,
            dst_colorspace=None if self._pixel_format == "bgr0" else Colorspace.ITU709,
            dst_color_range=None if self._pixel_format == "bgr0" else ColorRange.MPEG,
            threads=1,
        )

    def finish(self, *, whole: bool) -> None:
        """Close the file; sound after the last frame belongs to a ``whole`` video only."""
        self.container.mux(self.stream.encode(None))
        if self.audio is not None:
            if whole:
                self.audio.hand_on()
            self.audio.end()
        self.container.close()
        if _format(self._path) != _MATROSKA:
            try:
                _index_to_front(self._path)
            except (av.error.FFmpegError, OSError) as error:
                self.told.append(f"left in fragments, which play as well ({error.strerror})")


@contextmanager
def writing(
    path: Path,
    *,
    size_px: tuple[int, int],
    timing: Timing,
    pixel_aspect: Fraction,
    lossless: bool = False,
    audio: Path | None = None,
) -> Iterator[VideoWriter]:
    """Write a video. Whatever ends the block, the file holds the frames written and plays.

    Args:
        path: the file; what is there goes at once.
        size_px: height and width of the frames.
        timing: rate and unit of time.
        pixel_aspect: width of a pixel to its height.
        lossless: FFV1, instead of H.264 without visible loss.
        audio: the file whose sound goes with the frames.

    Raises:
        UserError: the file cannot be written.
    """
    with ExitStack() as stack:
        with _told_of(path):
            writer = VideoWriter(path, size_px=size_px, timing=timing, lossless=lossless)
            writer.stream.codec_context.sample_aspect_ratio = pixel_aspect
            if audio is not None:
                writer.audio = stack.enter_context(AudioTracks(audio, writer.container))
                writer.told += [f"audio {told}" for told in writer.audio.told]
            writer.container.start_encoding()  # now, not after the first frames: it may fail
        is_whole = False
        try:
            yield writer
            is_whole = True
        finally:
            if writer.frames:
                with _told_of(path):
                    writer.finish(whole=is_whole)
            else:
                writer.container.close()
                path.unlink(missing_ok=True)


def _index_to_front(path: Path) -> None:
    """Copy the packets of a file in fragments into the usual form, which then takes its place."""
    with (
        replacing(path) as part,
        av.open(str(path.absolute())) as source,
        av.open(str(part), "w", format=_format(path), options={"movflags": "+faststart"}) as target,
    ):
        streams = [target.add_stream_from_template(s, opaque=True) for s in source.streams]
        for packet in source.demux():
            if packet.size:
                packet.stream = streams[packet.stream_index]
                target.mux(packet)


def _format(path: Path) -> str:
    return _FORMATS[path.suffix.lower()]


@contextmanager
def _told_of(path: Path) -> Iterator[None]:
    """FFmpeg's errors, told in a line."""
    try:
        yield
    except UnreadableVideo as error:
        raise UserError(str(error)) from error
    except (av.error.FFmpegError, OSError) as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error
