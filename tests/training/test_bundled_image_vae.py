"""The image VAE that comes with odvae is what its record says, and is worth starting from."""

import hashlib
import json

import pytest

from odvae.data import DataConfig, open_source
from odvae.metrics import REFERENCES, psnr_db
from odvae.model import load
from odvae.model.saved import WEIGHTS_FILE
from odvae.training.image_source import BUNDLED
from odvae.training.make_image_vae import FACTS_FILE, reconstruction_psnr_db, sample_frames

MAX_BYTES = 6 * 2**20


def test_it_is_the_file_of_its_record() -> None:
    file = BUNDLED / WEIGHTS_FILE
    facts = json.loads((BUNDLED / FACTS_FILE).read_text())
    assert hashlib.sha256(file.read_bytes()).hexdigest() == facts["sha256"]
    assert file.stat().st_size <= MAX_BYTES
    assert len(facts["all_seeds"]) >= 3
    assert facts["psnr_db"]["heldout"] == max(s["psnr_db"]["heldout"] for s in facts["all_seeds"])
    assert not set(facts["trained_on"]) & set(facts["held_out"])


def test_it_beats_bicubic_by_2_db_on_frames_it_never_saw() -> None:
    frames = sample_frames(open_source(DataConfig(clip_frames=1)).heldout)
    bicubic_db = psnr_db(frames, REFERENCES["bicubic_8x"](frames)).mean().item()
    vae_db = reconstruction_psnr_db(load(BUNDLED), frames)
    assert vae_db >= bicubic_db + 2
    recorded_db = json.loads((BUNDLED / FACTS_FILE).read_text())["psnr_db"]["bundled"]
    assert vae_db == pytest.approx(recorded_db, abs=0.02)  # fp16 rounding, other processors
