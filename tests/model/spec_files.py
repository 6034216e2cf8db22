"""Files of the method's specification, which live outside the project."""

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


def spec_file(name: str) -> Path:
    """Path of a file such as ``fixtures/variant4.safetensors``; skips the test if it is absent."""
    folder = Path(os.environ.get("ODVAE_SPEC", PROJECT.parent / "shared"))
    if not (folder / name).is_file():
        pytest.skip(f"no {folder / name}; set ODVAE_SPEC to the folder that holds {name}")
    return folder / name
