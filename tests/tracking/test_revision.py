"""The commit a run is made with."""

import re
from pathlib import Path

import pytest

import odvae.revision
from odvae.revision import git_commit


def test_a_checkout_names_its_commit() -> None:
    if not (Path(odvae.revision.__file__).parents[1] / ".git").exists():
        pytest.skip("not in a checkout")
    assert re.fullmatch(r"[0-9a-f]{40}(\+dirty)?", git_commit() or "")


def test_an_installed_copy_has_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(odvae.revision, "__file__", str(tmp_path / "odvae" / "revision.py"))
    assert git_commit() is None
