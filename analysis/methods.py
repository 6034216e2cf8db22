"""What a run measured, in words: the method, and whether odvae trained the weights."""

from collections.abc import Mapping

from odvae.vaes.methods import OWN, Method, rival_label

TRAINED = "trained here"


def method_label(tags: Mapping[str, str]) -> str:
    """Name of what a run measured: runs of one method, trained alike, have the same.

    Args:
        tags: of the run: task, model, weights, variant and operators.
    """
    label = model_label(tags)
    made_here = tags["task"] == "generate" and tags["weights"] == OWN
    return label if tags["task"] == "train" or made_here else f"{label}, saved weights"


def weights_label(tags: Mapping[str, str]) -> str:
    """Where the weights of a run are from.

    Args:
        tags: of the run: task, model, weights and image_vae.
    """
    if tags["task"] == "train":
        return TRAINED
    if tags["weights"] != OWN:
        return tags["weights"] or "saved model"
    if tags["model"] == Method.sd_vae.value:  # the one that trainings start from, itself
        return f"image VAE {tags['image_vae']}"
    return "trained by odvae"


def model_label(tags: Mapping[str, str]) -> str:
    """Name of a model, wherever its weights are from.

    Args:
        tags: of the run: task, model, weights, variant and operators.
    """
    if tags["model"] != Method.odvae.value:
        return rival_label(tags)
    label = f"{Method.odvae.row.title} variant {tags['variant']}"
    is_strict = tags["operators"].startswith("strict")
    return f"{label}, {tags['operators'].replace('_', ' ')}" if is_strict else label
