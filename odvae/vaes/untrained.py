"""VAEs of diffusers without weights: for what does not depend on them, such as speed."""

from odvae.errors import UserError
from odvae.vaes.diffusers_vae import DiffusersVAE, new_instance


def untrained(class_name: str) -> DiffusersVAE:
    """A VAE of diffusers in its class' default configuration, with random weights.

    The defaults of these classes are the sizes of the models they were published with; a class
    whose defaults are a toy is refused.

    Args:
        class_name: of a row of ``DIFFUSERS_ROWS``.

    Raises:
        UserError: a class without such a row, or without such defaults.
    """
    vae = DiffusersVAE(new_instance(class_name, {})).eval()
    if vae.compression.volume == 1:
        raise UserError(f"the default configuration of {class_name} compresses nothing")
    return vae
