"""What the commands beside odvae.run share: its words for a configuration, its way with errors."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from odvae import config_files
from odvae.config import RunConfig, register, resolve
from odvae.config_errors import explain
from odvae.errors import UserError

_DEBUG_VARIABLE = "ODVAE_DEBUG"  # stack traces instead of single lines


class Parser(argparse.ArgumentParser):
    """Raises UserError for a command line that it cannot read."""

    def error(self, message: str) -> NoReturn:
        raise UserError(message)


def exit_code(act: Callable[[], None]) -> int:
    """Act; returns the exit code: 2 for a user's mistake, told in a line."""
    try:
        act()
    except (UserError, HydraException, OmegaConfBaseException, OSError) as error:
        if os.environ.get(_DEBUG_VARIABLE, "") not in ("", "0"):
            raise
        print(f"odvae: {explain(error)}", file=sys.stderr)
        return 2
    return 0


def resumable_exit_code(act: Callable[[], None]) -> int:
    """``exit_code`` of what goes on where it was interrupted, by Ctrl-C or SIGTERM: 130."""
    return interruptible_exit_code(act, left="the same command goes on")


def interruptible_exit_code(act: Callable[[], None], *, left: str) -> int:
    """``exit_code``, or 130 of what Ctrl-C or SIGTERM ended; ``left`` says what there is then."""
    try:
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            return exit_code(act)
        finally:
            signal.signal(signal.SIGTERM, before)
    except KeyboardInterrupt:
        print(f"odvae: interrupted; {left}", file=sys.stderr)
        return 130


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
