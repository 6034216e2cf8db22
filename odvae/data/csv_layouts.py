"""How data sets that come as a CSV name their local files: one row of data each."""

from dataclasses import dataclass
from string import Formatter

from odvae.data.config import DataSource


@dataclass(frozen=True, kw_only=True)
class CsvLayout:
    """What a data set's CSV says of its files.

    Attributes:
        needed: columns that must be there.
        places: patterns of a file's place below ``data.path``; the first that exists is taken. They
            may use every column, ``row`` (number of the CSV's row, from 0), ``shard`` (a hundred
            rows each), ``clip`` (see ``clips``) and ``side`` (train or val, where there is a CSV
            for each). A pattern whose fields a row lacks does not apply.
        group: the column that names the original video: all its clips are on one side.
        seconds: columns of whole seconds; patterns may pad them.
        label: the column with the class, if there are classes.
        clips: the column with a list that has one entry for each clip of the row. Each is looked
            for, numbered from 0.
        whole: pattern of the uncut video, taken when none of the row's clips is there.
    """

    needed: tuple[str, ...]
    places: tuple[str, ...]
    group: str
    seconds: tuple[str, ...] = ()
    label: str | None = None
    clips: str | None = None
    whole: str | None = None

    def columns(self) -> set[str]:
        """Every column that is looked at."""
        patterns = (*self.places, self.whole or "")
        fields = {field for pattern in patterns for field in pattern_fields(pattern)}
        return fields | {*self.needed, self.group, self.label or "", self.clips or ""} - {""}


def pattern_fields(pattern: str) -> set[str]:
    """Names of the fields of a pattern."""
    return {field for _, field, _, _ in Formatter().parse(pattern) if field}


_KINETICS_CLIP = "{youtube_id}_{time_start:06}_{time_end:06}.mp4"
_PANDA_NUMBERED = "{shard:05}/{row:07}_{clip:05}.mp4"  # as its own downloader numbers them

LAYOUTS = {
    DataSource.webvid: CsvLayout(
        needed=("videoid",),
        places=("{page_dir}/{videoid}.mp4", "videos/{page_dir}/{videoid}.mp4", "{videoid}.mp4"),
        group="videoid",
    ),
    DataSource.panda70m: CsvLayout(
        needed=("videoID", "timestamp"),
        places=(
            "{side}/{videoID}_{clip}.mp4",
            "{videoID}_{clip}.mp4",
            f"{{side}}/{_PANDA_NUMBERED}",
            _PANDA_NUMBERED,
        ),
        group="videoID",
        clips="timestamp",
        whole="{videoID}.mp4",
    ),
    DataSource.kinetics: CsvLayout(
        needed=("youtube_id", "time_start", "time_end"),
        places=(
            f"{{label}}/{_KINETICS_CLIP}",
            _KINETICS_CLIP,
            f"{{split}}/{{label}}/{_KINETICS_CLIP}",
            f"{{split}}/{_KINETICS_CLIP}",
            f"{{side}}/{{label}}/{_KINETICS_CLIP}",
            f"{{side}}/{_KINETICS_CLIP}",
        ),
        group="youtube_id",
        seconds=("time_start", "time_end"),
        label="label",
    ),
}
