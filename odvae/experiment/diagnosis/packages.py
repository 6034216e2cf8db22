"""Whether the installed packages are those that odvae was written for, and fit each other."""

import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version

import torch
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from odvae.config import RunConfig
from odvae.experiment.diagnosis.finding import Finding, ok, problem, warning

_SHOWN = ("torch", "torchvision", "numpy", "av", "diffusers", "mlflow", "hydra-core")
_PACKAGE = "odvae"


def installed(name: str) -> str | None:
    """The version of a package; None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def look_at_python(_: RunConfig) -> Iterator[Finding]:
    """Python itself."""
    have = sys.version.split()[0]
    try:
        wanted = metadata(_PACKAGE)["Requires-Python"] or ""
    except PackageNotFoundError:
        wanted = ""
    if SpecifierSet(wanted).contains(have, prereleases=True):
        yield ok("python", have)
    else:
        yield problem("python", f"{have}, needed is {wanted}", "make a new environment with that")


def look_at_packages(_: RunConfig) -> Iterator[Finding]:
    """All that odvae's own metadata asks for."""
    try:
        wanted = requires(_PACKAGE) or []
    except PackageNotFoundError:
        yield warning(
            "packages",
            "odvae is not installed, so nothing says which versions it needs",
            "pip install --editable . in the folder of its pyproject.toml",
        )
        return
    unfit = list(unmet(wanted, installed))
    if unfit:
        command = " ".join(f"'{requirement}'" for requirement, _ in unfit)
        said = "; ".join(f"{asked.name} is {have}, needed is {asked}" for asked, have in unfit)
        yield problem("packages", said, f"pip install {command}")
    else:
        shown = ", ".join(f"{name} {installed(name)}" for name in _SHOWN)
        yield ok("packages", f"{shown}; all {len(wanted)} are as odvae needs them")


def unmet(
    wanted: Iterable[str], have: Callable[[str], str | None]
) -> Iterator[tuple[Requirement, str]]:
    """Requirements, as in a package's metadata, that are not met, and what there is instead.

    Args:
        wanted: those of extras are passed over.
        have: tells the version of a package, None for one that is not installed.
    """
    for requirement in map(Requirement, wanted):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        there = have(requirement.name)
        if there is None or not requirement.specifier.contains(there, prereleases=True):
            yield requirement, there or "missing"


def look_at_torchvision(_: RunConfig) -> Iterator[Finding]:
    """Whether torchvision's compiled part works with this torch: versions alone do not tell."""
    pair = f"torch {installed('torch')} and torchvision {installed('torchvision')}"
    try:
        from torchvision.ops import nms

        nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        reason = str(error).partition("\n")[0]
        yield problem(
            "torchvision",
            f"{pair} do not work together: {reason}",
            "pip install --force-reinstall torch torchvision: both from one place, of one release",
        )
    else:
        yield ok("torchvision", f"{pair} work together")
