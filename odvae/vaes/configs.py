"""config.json beside weights: what several formats say alike."""

from collections.abc import Mapping

from odvae.errors import UserError

NORM_GROUPS = 32  # of the released OD-VAE and of SD-VAE, where nothing else is stated


def stated_norm_groups(config: Mapping[str, object]) -> int:
    """``norm_num_groups``, or 32. Raises UserError for a value that is no number of groups."""
    groups = config.get("norm_num_groups", NORM_GROUPS)
    if not isinstance(groups, int) or isinstance(groups, bool) or groups < 1:
        raise UserError(f"norm_num_groups must be a number of groups, got {groups!r:.40}")
    return groups
