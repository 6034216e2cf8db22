"""The 3D PatchGAN of the released training code."""

import torch

from odvae.training.discriminator import PatchDiscriminator


def test_parameters_to_the_digit() -> None:
    assert sum(p.numel() for p in PatchDiscriminator().parameters()) == 4_665_729


def test_a_logit_for_each_patch() -> None:
    with torch.no_grad():
        logits = PatchDiscriminator()(torch.zeros(2, 3, 9, 64, 48))
    assert logits.shape == (2, 1, 3, 8, 6)


def test_weights_are_drawn_from_the_generator() -> None:
    a, b, c = (PatchDiscriminator(torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    for name, tensor in a.state_dict().items():
        assert torch.equal(tensor, b.state_dict()[name])
    kernel = a.layers[2].get_parameter("weight")
    assert not torch.equal(kernel, c.layers[2].get_parameter("weight"))
    assert abs(kernel.std().item() - 0.02) < 1e-3
