"""Weights from the Hugging Face hub: only the files that are needed, checked by their hashes."""

import hashlib
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path

from odvae.errors import UserError
from odvae.hashing import file_sha256
from odvae.vaes.files import CONFIG_FILE, SUFFIXES, named_files, weight_files

OFFLINE_VARIABLE = "ODVAE_OFFLINE"  # 1: never try the network
_ID = re.compile(r"(?P<repo>\w[\w.-]*/\w[\w.-]*)(?:/(?P<inside>[^@]+))?(?:@(?P<revision>.+))?")
_TIMEOUT_S = 10


@dataclass(frozen=True)
class HubId:
    """``owner/name``, ``owner/name/subfolder`` (or a file in it), with ``@revision`` or without."""

    repository: str
    subfolder: str = ""  # ends in a slash if there is one
    file: str | None = None
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> "HubId | None":
        """None if the text cannot be one."""
        match = _ID.fullmatch(text.rstrip("/"))
        if match is None:
            return None
        folder, _, name = f"/{match['inside'] or ''}".rpartition("/")
        if not name.endswith(SUFFIXES):
            folder, name = f"{folder}/{name}", ""
        subfolder = f"{folder.strip('/')}/" if folder.strip("/") else ""
        return cls(match["repo"], subfolder, name or None, match["revision"])


@dataclass(frozen=True)
class Downloaded:
    """A folder of the hub's cache, and the commit it is of."""

    folder: Path
    weights: list[Path]
    revision: str


def download(wanted: HubId, *, source: str) -> Downloaded:
    """Download config.json and weights once; without a network take what an earlier call did.

    Raises:
        UserError: no such repository, revision or weights, no network, or a file that is not what
            the hub records.
    """
    from huggingface_hub import snapshot_download

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # it reports each of its retries
    listing = _listing(wanted, source=source)
    patterns = [f"{wanted.subfolder}{CONFIG_FILE}"]
    if isinstance(listing, _Listing):
        patterns += [wanted.subfolder + n for n in _chosen(wanted, listing.names, source=source)]
    try:
        snapshot = snapshot_download(
            wanted.repository,
            revision=wanted.revision,  # not the commit, under which no later call would look
            allow_patterns=patterns,
            local_files_only=isinstance(listing, _Unreachable),
        )
    except _network_errors() as error:
        why = listing if isinstance(listing, _Unreachable) else _Unreachable.by(error)
        raise UserError(f"{source}: {why.told}") from error
    commit = Path(snapshot).name
    if isinstance(listing, _Listing) and listing.commit not in (None, commit):
        raise UserError(f"{source}: the repository changed during the download; try again")
    folder = Path(snapshot) / wanted.subfolder
    if not folder.is_dir() and isinstance(listing, _Unreachable):
        raise UserError(f"{source}: {listing.told}")
    weights = [folder / n for n in _chosen(wanted, _names(folder), source=source)]
    for file in weights:
        _check_hash(file, source=source)
    return Downloaded(folder, weights, revision=commit)


@dataclass(frozen=True)
class _Listing:
    """Names of the files in the subfolder, at a commit."""

    names: list[str]
    commit: str | None


@dataclass(frozen=True)
class _Unreachable:
    """Why the hub was not asked."""

    reason: str

    @classmethod
    def by(cls, error: BaseException) -> "_Unreachable":
        return cls(type(error).__name__)

    @property
    def told(self) -> str:
        return (
            f"no such folder, no such file, and it cannot be downloaded from the hub "
            f"({self.reason}); get it elsewhere and name its folder or file instead"
        )


def _listing(wanted: HubId, *, source: str) -> _Listing | _Unreachable:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    if os.environ.get(OFFLINE_VARIABLE, "") not in ("", "0"):
        return _Unreachable(f"{OFFLINE_VARIABLE} is set")
    try:
        info = HfApi().model_info(wanted.repository, revision=wanted.revision, timeout=_TIMEOUT_S)
    except RevisionNotFoundError as error:
        raise UserError(
            f"{source}: {wanted.repository} on the hub has no revision {wanted.revision}"
        ) from error
    except RepositoryNotFoundError as error:
        raise UserError(
            f"{source}: no such folder, no such file, and the hub has no such repository "
            "or keeps it private"
        ) from error
    except _network_errors() as error:
        return _Unreachable.by(error)
    paths = [sibling.rfilename for sibling in info.siblings or []]
    inside = [p.removeprefix(wanted.subfolder) for p in paths if p.startswith(wanted.subfolder)]
    names = [name for name in inside if "/" not in name]
    if not any(name.endswith(SUFFIXES) for name in names):
        folders = sorted({p.rpartition("/")[0] or "its top" for p in paths if p.endswith(SUFFIXES)})
        elsewhere = f"; they are in {', '.join(folders)}" if folders else ""
        raise UserError(f"{source}: no weights at that place of the repository{elsewhere}")
    return _Listing(names, info.sha)


def _network_errors() -> tuple[type[Exception], ...]:
    """What the client raises: OSError, and its HTTP library's own, which versions differ in."""
    from huggingface_hub.errors import HfHubHTTPError

    return (OSError, *(base for base in HfHubHTTPError.__bases__ if issubclass(base, Exception)))


def _chosen(wanted: HubId, names: list[str], *, source: str) -> list[str]:
    if wanted.file is None:
        return weight_files(names, where=source)
    if wanted.file not in names:
        raise UserError(f"{source}: the repository has no such file")
    return named_files(wanted.file, names, where=source)


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def _check_hash(file: Path, *, source: str) -> None:
    """The cache keeps a large file under its sha256, a small one under git's hash of it."""
    recorded = file.resolve().name
    match len(recorded):
        case 64:
            is_same = file_sha256(file) == recorded
        case 40:
            content = file.read_bytes()
            git_blob = b"blob %d\0" % len(content) + content
            is_same = hashlib.sha1(git_blob, usedforsecurity=False).hexdigest() == recorded
        case _:  # a file system without links: nothing is recorded
            return
    if not is_same:
        raise UserError(
            f"{source}: {file} is not the file that the hub records (hash); delete it, and "
            "it is downloaded again"
        )
