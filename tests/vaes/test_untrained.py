"""VAEs of diffusers without weights."""

import pytest

from odvae.errors import UserError
from odvae.vaes.untrained import untrained


def test_the_defaults_are_those_of_the_published_model() -> None:
    vae = untrained("AutoencoderKLWan")
    assert (str(vae.compression), vae.latent_channels) == ("4x8x8", 16)
    assert sum(p.numel() for p in vae.parameters()) == 126_892_531
    assert not vae.training


@pytest.mark.parametrize("name", ["VQModel", "AutoencoderTiny"])
def test_toys_and_strangers_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=name):
        untrained(name)
