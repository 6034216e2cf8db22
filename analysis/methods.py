"""What a run measured, in words: the method, and whether odvae trained the weights."""

from collections.abc import Mapping

from odvae.vaes.methods import METHODS, Method

TRAINED = "trained here"
OWN_SVD = "SVD-VAE's kind"  # its name alone would promise Stability's network

_OWN = "own"  # the tag ``weights`` of what no file of the user's holds

_TITLES = {method.value: row.title for method, row in METHODS.items()}
_KINDS = {Method.sd_vae.value: "image VAE per frame", Method.svd_vae.value: "temporal decoder"}


def method_label(tags: Mapping[str, str]) -> str:
    """Name of what a run measured: runs of one method, trained alike, have the same.

    Args:
        tags: of the run: task, model, weights, variant and operators.
    """
    label = _name(tags)
    return label if tags["task"] == "train" else f"{label}, saved weights"


def weights_label(tags: Mapping[str, str]) -> str:
    """Where the weights of a run are from.

    Args:
        tags: of the run: task, model, weights and image_vae.
    """
    if tags["task"] == "train":
        return TRAINED
    if tags["weights"] != _OWN:
        return tags["weights"] or "saved model"
    if tags["model"] == Method.sd_vae.value:  # the one that trainings start from, itself
        return f"image VAE {tags['image_vae']}"
    return "trained by odvae"


def _name(tags: Mapping[str, str]) -> str:
    model = tags["model"]
    title = _TITLES.get(model, model)
    if model == Method.odvae.value:
        strict = ", strict" if tags["operators"] == "strict" else ""
        return f"{title} variant {tags['variant']}{strict}"
    is_own = tags["task"] == "train" or tags["weights"] == _OWN
    if model == Method.svd_vae.value and is_own:
        return f"{OWN_SVD} (own temporal decoder)"
    return f"{title} ({_KINDS[model]})" if model in _KINDS else title
