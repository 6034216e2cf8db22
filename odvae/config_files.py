"""Where the configuration files are: in the checkout, or inside the installed package."""

from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

from hydra_plugins import odvae_launcher

_PACKAGE = Path(__file__).resolve().parent


def conf() -> Path:
    """Hydra's folder."""
    return _folder("conf")


def experiments() -> Path:
    """One folder a question."""
    return _folder("experiments")


def groups() -> set[str]:
    """Names of the groups of Hydra's folder: each chooses a file."""
    return {str(file.parent.relative_to(conf())) for file in conf().glob("*/**/*.yaml")}


def register_experiments() -> None:
    """Let every experiments/NAME/experiment.yaml be used as ``+experiment=NAME``."""
    for file in sorted(experiments().glob("*/experiment.yaml")):
        ConfigStore.instance().store(
            group="experiment",
            name=file.parent.name,
            node=OmegaConf.load(file),
            package="_global_",
        )


def register_launchers() -> None:
    """Let ``hydra/launcher=joblib`` and the others be odvae's own, whatever else is installed."""
    Plugins.instance()  # finds all plugins, and registers theirs
    odvae_launcher.register()


def _folder(name: str) -> Path:
    installed = _PACKAGE / name
    return installed if installed.is_dir() else _PACKAGE.parent / name
