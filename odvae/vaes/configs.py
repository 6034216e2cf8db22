"""config.json beside weights: reading it, and what several formats say alike."""

import json
from collections.abc import Mapping
from pathlib import Path

from odvae.errors import UserError

NORM_GROUPS = 32  # of the released OD-VAE and of SD-VAE, where nothing else is stated


def read_config(file: Path) -> dict[str, object]:
    """The fields of a config.json. Raises UserError for a file that holds none."""
    try:
        config = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: not JSON ({error})") from error
    if not isinstance(config, dict):
        raise UserError(f"{file}: not a configuration, but a {type(config).__name__}")
    return config


def stated_norm_groups(config: Mapping[str, object]) -> int:
    """``norm_num_groups``, or 32. Raises UserError for a value that is no number of groups."""
    groups = config.get("norm_num_groups", NORM_GROUPS)
    if not isinstance(groups, int) or groups < 1:
        raise UserError(f"norm_num_groups must be a number of groups, got {groups!r}")
    return groups
