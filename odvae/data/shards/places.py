"""Where shards are: a folder, a tar, a list file, or URLs, the last three with braces."""

import re
from collections import Counter
from dataclasses import dataclass
from itertools import product
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urljoin, urlsplit

from odvae.errors import UserError

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_MOST_SHARDS = 1_000_000  # of one pattern: more is a slip of the hand
_COMPRESSED = (".tar.gz", ".tgz", ".tar.zst", ".tar.bz2", ".tar.xz")


@dataclass(frozen=True, order=True)
class Place:
    """A local file or a URL, as text."""

    where: str

    def __str__(self) -> str:
        return self.where

    @property
    def is_remote(self) -> bool:
        """Whether it is fetched over the network."""
        return self.where.startswith(("http://", "https://"))

    @property
    def name(self) -> str:
        """The last part of its path."""
        path = unquote(urlsplit(self.where).path) if self.is_remote else self.where
        return PurePosixPath(path).name

    @property
    def path(self) -> Path:
        """The local file."""
        assert not self.is_remote, self.where
        return Path(self.where)

    def beside(self, name: str) -> "Place":
        """Another file of the same folder."""
        if self.is_remote:
            return Place(urljoin(self.where, name))
        return Place(str(self.path.parent / name))


def expand_braces(pattern: str) -> list[str]:
    """``a{08..10}{x,y}`` -> a08x a08y a09x a09y a10x a10y; numbers are as wide as the first one.

    Raises:
        UserError: a range that runs backwards or is far too long.
    """
    parts = _BRACES.split(pattern)  # text, inside, text, inside, ..., text
    choices = [[part] if n % 2 == 0 else _choices(part, pattern) for n, part in enumerate(parts)]
    total = 1
    for of_part in choices:
        total *= len(of_part)
    if total > _MOST_SHARDS:
        raise UserError(f"{pattern} names {total} shards, at most {_MOST_SHARDS} are allowed")
    return ["".join(chosen) for chosen in product(*choices)]


def _choices(inside: str, pattern: str) -> list[str]:
    numbers = _RANGE.fullmatch(inside)
    if numbers is None:
        return inside.split(",")
    first, last = (int(number) for number in numbers.groups())
    if not 0 <= last - first < _MOST_SHARDS:
        raise UserError(f"{pattern}: the range {{{inside}}} must rise, by at most {_MOST_SHARDS}")
    return [f"{number:0{len(numbers[1])}d}" for number in range(first, last + 1)]


def find_places(spec: str) -> list[Place]:
    """The shards that ``spec`` names, in its order.

    Args:
        spec: a folder (its ``*.tar``), a tar or a URL of one, either with braces, or a text file
            that names one of these a line, relative to its own folder; ``#`` starts a comment.

    Raises:
        UserError: nothing there, or a shard is named twice.
    """
    places = _expanded(spec, base=Path(), may_list=True)
    if not places:
        raise UserError(f"{spec} names no shard (*.tar)")
    most, times = Counter(places).most_common(1)[0]
    if times > 1:
        raise UserError(f"{spec} names the shard {most} {times} times")
    return places


def _expanded(spec: str, *, base: Path, may_list: bool) -> list[Place]:
    if Place(spec).is_remote:
        places = [Place(url) for url in expand_braces(spec)]
    else:
        path = base / Path(spec).expanduser()
        if path.is_dir():
            return [Place(str(file)) for file in sorted(path.glob("*.tar"))]
        is_tar = path.suffix == ".tar" or path.name.endswith(_COMPRESSED)
        if may_list and not is_tar and path.is_file():
            return _listed(path)
        places = [Place(file) for file in expand_braces(str(path))]
    for place in places:
        if place.name.endswith(_COMPRESSED):
            raise UserError(f"{place}: a shard must be an uncompressed tar, to read in its middle")
        if not place.is_remote and not place.path.is_file():
            raise UserError(f"{place}: no such shard")
    return places


def _listed(path: Path) -> list[Place]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is neither a tar nor a list of shards") from error
    named = (line.partition("#")[0].strip() for line in lines)
    return [
        place
        for name in named
        if name
        for place in _expanded(name, base=path.parent, may_list=False)
    ]
