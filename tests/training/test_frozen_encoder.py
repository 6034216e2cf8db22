"""A temporal decoder is trained on an encoder that stays what it was."""

from pathlib import Path

import torch
from torch.testing import assert_close

from odvae.model import ODVAE, TEMPORAL_DECODER, Architecture, Initialisation, Operators, inflate
from odvae.training import video_recipe
from odvae.training.checkpoints import Checkpoints
from odvae.training.config import LossConfig, TrainConfig
from odvae.training.loop import train
from odvae.training.objective import Objective
from odvae.training.state import MODEL
from tests.training.tiny import CPU, loop, tiny_training


def test_only_the_decoder_learns(tmp_path: Path) -> None:
    _, objective = tiny_training(tmp_path)
    architecture = Architecture(
        variant=TEMPORAL_DECODER,
        width=8,
        blocks=1,
        norm_groups="channels/8",
        operators=Operators.strict,
    )
    vae = inflate(
        ODVAE(architecture), None, Initialisation.random, torch.Generator().manual_seed(0)
    )
    before = {name: tensor.clone() for name, tensor in vae.state_dict().items()}
    video_recipe.freeze_encoder(vae)
    config = TrainConfig(steps=2, batch=2, learning_rate_random=1e-3)
    state = video_recipe.initial_state(vae, config, Initialisation.random)
    loss = video_recipe.VideoLoss(vae, LossConfig(), None, 0)
    objective = Objective(batches=objective.batches, losses={MODEL: loss})
    kept = Checkpoints(tmp_path / "checkpoints")

    def report(step: int, numbers: dict[str, float]) -> None:
        pass

    train(state, objective, loop(2), arithmetic=CPU, checkpoints=kept, report=report)
    for weights in (vae.state_dict(), state.ema.model.state_dict()):
        for name, tensor in weights.items():
            if name.startswith(("encoder.", "quant_conv.")):
                assert_close(tensor, before[name], atol=0, rtol=0)
            elif name.endswith("weight"):
                assert (tensor != before[name]).any(), name
