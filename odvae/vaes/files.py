"""Which files of a folder, here or on the hub, are the weights of its model."""

import re
from collections.abc import Iterable

from odvae.errors import UserError

CONFIG_FILE = "config.json"
SAFE = ".safetensors"
PICKLED = (".ckpt", ".pt", ".pth", ".bin")
SUFFIXES = (SAFE, *PICKLED)
# What the formats call their weights. Other names do where there is but one file.
CONVENTIONAL = (
    "model.safetensors",
    "diffusion_pytorch_model.safetensors",
    "checkpoint.ckpt",
    "diffusion_pytorch_model.bin",
)
_SHARD = re.compile(r"-\d+-of-\d+\.")


def weight_files(names: Iterable[str], *, where: str) -> list[str]:
    """The names of the weights among the names of files: one, or all shards of one.

    safetensors come first; a pickle is taken only where there are none.

    Raises:
        UserError: there are none, or several and none has a conventional name.
    """
    visible = sorted(name for name in names if not name.startswith("."))
    for suffixes in ((SAFE,), PICKLED):
        found = [name for name in visible if name.endswith(suffixes)]
        conventional = [name for name in CONVENTIONAL if name in found]
        if conventional or len(found) == 1:
            return (conventional or found)[:1]
        shards = [name for name in found if _SHARD.search(name)]
        if shards:
            return shards
        if found:
            raise UserError(
                f"{where}: holds several weights files ({', '.join(found)}); name one of them"
            )
    config = "a config.json, but" if CONFIG_FILE in visible else "no config.json and"
    raise UserError(f"{where}: holds {config} no weights ({', '.join(SUFFIXES)})")
