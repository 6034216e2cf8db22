"""Hydra's plugin for ``hydra/sweeper=optuna``: compose the edges of a study's space, run nothing.

The command runs the study once Hydra has returned, when it has checked that those runs can be.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hydra.conf import HydraConf
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from odvae import config_files
from odvae.errors import UserError
from odvae.experiment.study.config import StudyConfig
from odvae.experiment.study.plan import CHOICE, StudyPlan, field_of


@dataclass(kw_only=True)
class OptunaSweeperConfig(StudyConfig):
    """A study: jobs are proposed by Optuna, one after the other."""

    # Hydra finds its plugins by this name; nothing of odvae's own configuration names code.
    _target_: str = "hydra_plugins.odvae_sweeper.OptunaSweeper"


ConfigStore.instance().store(group="hydra/sweeper", name="optuna", node=OptunaSweeperConfig)


class OptunaSweeper(Sweeper):
    """Hands the runs at the edge of a study's space to the task function."""

    def __init__(self, **_: object) -> None:
        """Hydra hands over the sweeper's fields; they are read from the configuration."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Called by Hydra before ``sweep``."""
        self._loader = hydra_context.config_loader
        self._task_function = task_function
        self._config = config

    def sweep(self, arguments: Sequence[str]) -> None:
        """Compose every edge; the task function finds its study by ``study_of``.

        Raises:
            UserError: the study makes no sense, or a word is at odds with it.
        """
        loader = self._loader
        plan = study_of(self._config.hydra, arguments)
        assert plan is not None, "hydra.sweeper is of this class"
        for override in OverridesParser.create(loader).parse_overrides(list(arguments)):
            field = override.get_key_element().lstrip("+~")
            where = f"{override.input_line}: hydra.sweeper.space.{field} says what a study varies"
            if override.is_sweep_override():
                raise UserError(f"{where}, as in +hydra.sweeper.space.{field}.choices=[...]")
            if field in plan.space:
                raise UserError(where)
        choice = [word for word in arguments if field_of(word) == CHOICE]
        for words in plan.edges():
            composed = loader.load_sweep_config(self._config, [*choice, *words])
            HydraConfig.instance().set_config(composed)
            with read_write(composed), open_dict(composed):
                del composed["hydra"]
            self._task_function(composed)


def study_of(settings: DictConfig | HydraConf, words: Sequence[str]) -> StudyPlan | None:
    """The study that a run composed by Hydra belongs to; None: to none.

    Args:
        settings: Hydra's part of its configuration.
        words: FIELD=VALUE that it was composed from.

    Raises:
        UserError: the study makes no sense.
    """
    kind = OmegaConf.get_type(settings, "sweeper")
    if kind is None or not issubclass(kind, StudyConfig):
        return None
    config = OmegaConf.to_object(settings.sweeper)
    assert isinstance(config, StudyConfig)
    chosen = settings.runtime.choices.get(CHOICE)
    return StudyPlan.of(config, words, chosen=chosen, groups=config_files.groups())
