"""Versions that are known not to work well together: a row each."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from packaging.specifiers import SpecifierSet

from odvae.config import RunConfig
from odvae.experiment.diagnosis.finding import Finding, State, ok
from odvae.experiment.diagnosis.packages import installed

CUDNN = "cudnn"  # no package of its own everywhere: torch says which one it uses

_ANOTHER_TORCH = "pip install --upgrade torch torchvision"
_ANOTHER_CUDNN = (
    "pip install --upgrade torch torchvision; where that brings no newer cuDNN: "
    "pip install --upgrade nvidia-cudnn-cu12 (-cu13 with CUDA 13)"
)


@dataclass(frozen=True, kw_only=True)
class KnownBad:
    """Versions by package, all of which must be there, and what they break."""

    versions: Mapping[str, str]  # as pip writes them
    breaks: str
    remedy: str
    state: State = State.problem


KNOWN_BAD = (
    # pytorch/pytorch#166643: 2.9.0 never gives these convolutions to cuDNN, later ones do so
    # from cuDNN 9.15 on.
    KnownBad(
        versions={"torch": "==2.9.0", CUDNN: ">=9"},
        breaks="3D convolutions in bf16 are slow, and take up to 17 times the memory",
        remedy=_ANOTHER_TORCH,
    ),
    KnownBad(
        versions={"torch": ">=2.9.1", CUDNN: "<9.15"},
        breaks="3D convolutions in bf16 are slow, and take several times the memory",
        remedy=_ANOTHER_CUDNN,
        state=State.warning,
    ),
    # pytorch/pytorch#163539
    KnownBad(
        versions={"torch": "<2.9", CUDNN: ">=9.8,<9.13"},
        breaks="large 3D convolutions in bf16 give wrong numbers",
        remedy=_ANOTHER_CUDNN,
    ),
)


def look_at_known_bad(_: RunConfig) -> Iterator[Finding]:
    """Everything installed against the table."""
    found = list(known_bad(_version))
    yield from found or [ok("known bad", f"none of {len(KNOWN_BAD)} known bad pairs of versions")]


def known_bad(version: Callable[[str], str | None]) -> Iterator[Finding]:
    """Rows of the table that apply.

    Args:
        version: of a package or of cuDNN, None where it is not used.
    """
    for row in KNOWN_BAD:
        have = {name: version(name) for name in row.versions}
        if all(
            there is not None and SpecifierSet(row.versions[name]).contains(there, prereleases=True)
            for name, there in have.items()
        ):
            pair = " with ".join(f"{name} {there}" for name, there in have.items())
            yield Finding("known bad", row.state, f"{pair}: {row.breaks}", row.remedy)


def cudnn_version(number: int) -> str:
    """91002 -> 9.10.2, as cuDNN counts since its version 9."""
    return f"{number // 10_000}.{number // 100 % 100}.{number % 100}"


def _version(name: str) -> str | None:
    if name != CUDNN:
        return installed(name)
    number = torch.backends.cudnn.version() if torch.cuda.is_available() else None
    return None if number is None else cudnn_version(number)
