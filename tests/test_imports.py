"""Which part of odvae may import which: dependencies point one way. Held by reading the source."""

import ast
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
PACKAGE = PROJECT / "odvae"

CONFIG = {
    "config",
    "config_checks",
    "config_files",
    "config_errors",
    "config_identity",
    "config_protocol",
    "config_sections",
    "compose",
}
# Each part may import the parts on the lines above its own, and itself.
ORDER = [
    {"clip_terms", "errors", "hashing", "paper", "revision"},
    {"model"},
    {"acceleration", "inference", "metrics", "data", "vaes", "anatomy"},
    {"training"},
    {"generation"},
    {"tracking", "filecoding"},
    CONFIG,
    {"experiment"},
    {"comparison"},
    {"run", "compare", "convert", "describe", "page", "scan", "shard", "status", "sync"}
    | {"reconstruct", "encode", "decode", "doctor"},
    {"__main__"},
]
PARTS = set().union(*ORDER)
FILES = sorted(PACKAGE.rglob("*.py"))


def _imported(file: Path) -> set[str]:
    """Dotted names of all modules that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Import():
                names |= {alias.name for alias in node.names}
            case ast.ImportFrom():
                assert node.level == 0, f"{file}: imports are absolute"
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _part(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _parts(file: Path) -> set[str]:
    """Parts of odvae that a file imports; a name of the package itself is none."""
    inner = {name.split(".")[1] for name in _imported(file) if name.startswith("odvae.")}
    return inner & PARTS


def _outside(file: Path) -> set[str]:
    return {name.split(".")[0] for name in _imported(file)}


def test_every_part_has_its_place() -> None:
    assert {_part(file) for file in FILES} - {"__init__"} == PARTS


@pytest.mark.parametrize("level", range(len(ORDER)))
def test_imports_point_one_way(level: int) -> None:
    below = set().union(*ORDER[:level])
    if level == ORDER.index(CONFIG):
        below -= {"tracking", "filecoding"}  # the configuration knows nothing of where results go
        below |= ORDER[level]
    for file in FILES:
        part = _part(file)
        if part in ORDER[level]:
            assert _parts(file) <= below | {part}, file


def test_the_package_is_light() -> None:
    light = {"errors", "model", "acceleration", "inference", "metrics", "vaes"}
    assert _parts(PACKAGE / "__init__.py") <= light


def test_mlflow_is_known_to_tracking_only() -> None:
    assert {_part(file) for file in FILES if "mlflow" in _outside(file)} == {"tracking"}


def test_optuna_is_known_to_studies_only() -> None:
    studies = PACKAGE / "experiment" / "study"
    assert all(file.parent == studies for file in FILES if "optuna" in _outside(file))


def test_hydra_is_known_to_the_configuration_only() -> None:
    knowing = {_part(file) for file in FILES if _outside(file) & {"hydra", "omegaconf"}}
    assert knowing == {"config", "config_files", "config_errors", "compose", "run"}


def test_the_model_is_plain_torch() -> None:
    allowed = {"torch", "safetensors", "odvae"}
    standard = {"collections", "contextlib", "dataclasses", "enum", "functools", "json", "math"}
    standard |= {"fractions", "os", "pathlib", "re", "shutil", "tempfile", "typing"}
    for file in FILES:
        if _part(file) == "model":
            assert _outside(file) <= allowed | standard, file
