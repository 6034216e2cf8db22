"""Which state of the source a run was made with."""

import subprocess
from pathlib import Path


def git_commit() -> str | None:
    """Commit of the checkout this package lies in, "+dirty" if changed; None when it is in none."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():  # an installed copy may lie inside another project's checkout
        return None
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+dirty"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()
