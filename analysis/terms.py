"""Which terms the objective of a run had, and what it shares with runs of other objectives."""

import hashlib
import json
from collections.abc import Mapping

from odvae.config_identity import FACTORS, NOT_IDENTITY, OTHER_TASKS
from odvae.tracking import LoggedRun

START_STEP = "losses.adversarial.start_step"
LPIPS_WEIGHT, LPIPS_BACKBONE = "losses.lpips_weight", "losses.lpips_backbone"

TERMS: Mapping[str, tuple[str, ...]] = {
    "LPIPS": (LPIPS_WEIGHT, LPIPS_BACKBONE),
    "GAN": (START_STEP, "losses.adversarial.weight", "losses.adversarial.learning_rate"),
}
"""Terms that an objective may have besides L1 and KL, each with the fields that shape it."""

_ALWAYS = "L1"
# What a setting leaves out: factors of other comparisons, where and how often to write.
_NOT_SETTING = NOT_IDENTITY | FACTORS | OTHER_TASKS


def objective(run: LoggedRun) -> dict[str, str]:
    """Columns of a run about its objective.

    ``objective`` names the terms that took part; the fields of TERMS are empty where theirs did
    not; ``setting_but_terms`` is ``setting_but_terms(run.params)``.
    """
    took_part = [term for term, is_active in _active(run).items() if is_active]
    return {
        "objective": " + ".join([_ALWAYS, *took_part]),
        **{
            name: run.params.get(name, "") if term in took_part else ""
            for term, names in TERMS.items()
            for name in names
        },
        "setting_but_terms": setting_but_terms(run.params),
    }


def setting_but_terms(params: Mapping[str, str]) -> str:
    """Hash of what runs must share for objectives, variants, starts and seeds to compare.

    It is to the tag ``setting`` what leaves out the fields of TERMS.
    """
    return _setting_but(params, {name for names in TERMS.values() for name in names})


def setting_but_operators(params: Mapping[str, str]) -> str:
    """Hash of what runs must share for operators, variants, starts and seeds to compare."""
    return _setting_but(params, {"operators"})


def _setting_but(params: Mapping[str, str], left_out: set[str]) -> str:
    shared = {n: value for n, value in params.items() if n not in _NOT_SETTING | left_out}
    return hashlib.sha256(json.dumps(shared, sort_keys=True).encode()).hexdigest()[:8]


def _active(run: LoggedRun) -> dict[str, bool]:
    wanted = float(run.params.get(LPIPS_WEIGHT, 0)) > 0
    start_step = run.params.get(START_STEP, "None")
    return {
        # Without its backbone's weights a run goes on without the term, and says so.
        "LPIPS": wanted and run.tags.get("lpips_loss") != "none",
        # A discriminator that begins after the last step never plays.
        "GAN": start_step != "None" and int(start_step) < int(run.params["train.steps"]),
    }
