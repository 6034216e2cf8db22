"""The configuration of a run from words as odvae.run takes them, for the other commands."""

import os
from collections.abc import Sequence

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser

from odvae import config_files
from odvae.config import RunConfig, register, resolve
from odvae.errors import UserError


def compose_run(words: Sequence[str]) -> RunConfig:
    """Compose FIELD=VALUE words; Hydra's exceptions pass through.

    Raises:
        UserError: a sweep, or a value that is none of its field.
    """
    for override in OverridesParser.create().parse_overrides(list(words)):
        if override.is_sweep_override():
            raise UserError(f"{override.input_line}: one value at a time")
    register()
    config_files.register_experiments()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises, and we say it in one line
    with initialize_config_dir(str(config_files.conf()), version_base="1.3"):
        try:
            composed = compose("run", list(words))
        except ValueError as error:  # data=3 and other numbers where a name belongs
            raise UserError(f"{' '.join(words)}: {error}") from error
    return resolve(composed)
