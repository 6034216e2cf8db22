"""Published weights that metrics need: the one place that finds, checks and downloads them.

A file is looked for in the folders of ``ODVAE_WEIGHTS``, in the cache of this project and in the
one of torch.hub, and is used only when its sha256 is the published one, or starts as published.
Weights of which nothing is published are used only where the user names a file by its path.
"""

import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pooch  # type: ignore[import-untyped, unused-ignore]
import requests
import torch
from filelock import FileLock

from odvae.errors import UserError
from odvae.hashing import file_sha256
from odvae.metrics.weights_table import TABLE, Weights, WeightsFile

LOG = logging.getLogger(__name__)
FOLDERS_VARIABLE = "ODVAE_WEIGHTS"  # folders, separated as in PATH
OFFLINE_VARIABLE = "ODVAE_OFFLINE"  # 1: never try the network
TIMEOUT_S = 10


class WeightsMissing(UserError):
    """Weights that are nowhere on this computer and could not be downloaded either."""

    def __init__(self, name: str, reason: str, how: str) -> None:
        super().__init__(f"weights {name}: {reason}; {how}")
        self.name = name
        self.reason = reason
        self.how = how


@dataclass(frozen=True)
class WeightsStatus:
    """One line of the listing: which weights, whether they are here, and how to get them."""

    name: str
    used_for: str
    path: Path | None  # None: missing
    size_bytes: int  # of the file found, or of the one to download; 0: there is none
    refused: tuple[str, ...]  # files of the right name that were not used, and why
    how: str  # how to get them


@dataclass(frozen=True)
class _Search:
    path: Path | None
    refused: tuple[str, ...]


def find(name: str) -> Path | None:
    """Path of weights that are on this computer and have the published sha256, else None.

    Weights that are published nowhere are those that the user names.

    Raises:
        UserError: no weights of that name are known.
    """
    return _search(_row(name)).path


def fetch(name: str) -> Path:
    """Path of checked weights, downloaded into the project's cache when they are not here yet.

    Raises:
        WeightsMissing: not here and not to be had, with the reason and how to get them.
        UserError: no weights of that name are known.
    """
    row = _row(name)
    search = _search(row)
    if search.path is not None:
        return search.path
    file = _downloadable(row)
    if file is None:
        reason = "published nowhere, so taken only from a file of yours"
    elif os.environ.get(OFFLINE_VARIABLE, "") not in ("", "0"):
        reason = f"not on this computer, and {OFFLINE_VARIABLE} forbids downloading"
    else:
        try:
            return _download(file)
        except OSError as error:  # what requests raises is an OSError too
            reason = f"not on this computer, and the download failed ({_short(error)})"
    raise WeightsMissing(name, "; ".join([*search.refused, reason]), _how(row))


def status() -> list[WeightsStatus]:
    """Every known row of weights, found or missing. Never uses the network."""
    return [_status(row) for row in TABLE.values()]


def cache_folder() -> Path:
    """Folder that downloads go to."""
    return Path(pooch.os_cache("odvae"))


def _status(row: Weights) -> WeightsStatus:
    search, file = _search(row), _downloadable(row)
    size_bytes = file.size_bytes if file else 0
    return WeightsStatus(
        name=row.name,
        used_for=row.used_for,
        path=search.path,
        size_bytes=search.path.stat().st_size if search.path else size_bytes,
        refused=search.refused,
        how=_how(row),
    )


def _row(name: str) -> Weights:
    if name not in TABLE:
        raise UserError(f"weights must be one of {', '.join(TABLE)}, got {name!r}")
    return TABLE[name]


def _downloadable(row: Weights) -> WeightsFile | None:
    return next((file for file in row.files if file.url), None)


def _how(row: Weights) -> str:
    file = _downloadable(row)
    if file is None:
        return f"set {row.path_variable} to the path of a checkpoint"
    return f"download {file.url} into a folder named in {FOLDERS_VARIABLE}"


def _folders() -> list[Path]:
    """Where to look, in order: the user's folders, this project's cache, torch.hub's cache."""
    named = [Path(part) for part in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if part]
    return [*named, cache_folder(), Path(torch.hub.get_dir()) / "checkpoints"]


def _search(row: Weights) -> _Search:
    if row.path_variable is not None:
        return _named(row.path_variable)
    refused: list[str] = []
    for folder in _folders():
        for file in row.files:
            path = folder / file.name
            if not path.is_file():
                continue
            problem = _problem(path, file)
            if problem is None:
                return _Search(path, tuple(refused))
            refused.append(f"{path} refused: {problem}")
    return _Search(None, tuple(refused))


def _named(variable: str) -> _Search:
    """The file that the user names, whatever it holds."""
    value = os.environ.get(variable, "")
    if not value:
        return _Search(None, ())
    path = Path(value).expanduser()
    if path.is_file():
        return _Search(path, ())
    return _Search(None, (f"{variable} names {path}, which is no file",))


def _problem(path: Path, file: WeightsFile) -> str | None:
    """Why a file is not what its name says, or None when it is."""
    size_bytes = path.stat().st_size
    if file.sha256 is not None and size_bytes != file.size_bytes:
        return f"{size_bytes:,} bytes instead of {file.size_bytes:,}"
    got = file_sha256(path)
    if not got.startswith(file.known_sha256):
        return f"sha256 is {got[:12]}..., not {file.known_sha256[:12]}..."
    return None


def _download(file: WeightsFile) -> Path:
    """Download into the cache, unless another run has just done so."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file.name
    with FileLock(f"{path}.lock"):
        if not path.is_file() or _problem(path, file) is not None:
            _download_alone(file, path)
    return path


def _download_alone(file: WeightsFile, path: Path) -> None:
    """Download under a passing name, check, and only then give it its own name."""
    LOG.info("downloading %s (%.0f MiB)", file.url, file.size_bytes / 2**20)
    with tempfile.TemporaryDirectory(dir=path.parent) as passing:
        part = Path(passing) / file.name
        pooch.HTTPDownloader(timeout=TIMEOUT_S, progressbar=True)(file.url, str(part), None)
        problem = _problem(part, file)
        if problem is not None:
            raise OSError(f"{file.url}: {problem}")
        part.replace(path)


def _short(error: OSError) -> str:
    """One line of an error; requests appends the address, which is told anyway, and its causes."""
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    text = " ".join(str(error).split())
    for address in (" with url", " for url"):
        text = text.partition(address)[0]
    return f"{type(error).__name__}: {text}"
