"""One checkpoint under several protocols, from the command line."""

import json
from pathlib import Path

import pytest

from odvae.model import ODVAE, Initialisation, inflate
from odvae.tracking import Store
from tests.command.commands import QUICK, launch_here, run_here

SMALL = ("clip_frames=9", "size_px=32", "short_side_px=40", "eval_clips=2", "lpips=[]")


@pytest.fixture
def checkpoint(tmp_path: Path) -> str:
    vae = ODVAE.variant(4, width=8, blocks=1, norm_groups="channels/8")
    inflate(vae, None, Initialisation.random)
    vae.save(tmp_path / "vae")
    return f"checkpoint={tmp_path / 'vae'}"


@pytest.mark.slow
def test_a_sweep_over_protocols_keeps_their_numbers_apart(
    tmp_path: Path, short_videos: Path, checkpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odvae.experiment.sweep.launch", launch_here)
    rows = ("metrics/protocol=odvae,opensora_plan", *(f"metrics.protocol.{w}" for w in SMALL))
    data = ("data=folder", f"data.path={short_videos}")
    ran = run_here(tmp_path, "-m", *QUICK, "task=evaluate", checkpoint, *data, *rows)
    assert (ran.code, ran.err) == (0, "")
    store = Store.open(tmp_path / "outputs")
    (sweep,) = store.find({"odvae.kind": "sweep"})
    runs = {run.tags["protocol.name"]: run for run in store.runs() if run.parent_id}
    assert set(runs) == {"odvae", "opensora_plan"}
    prints = {name: run.tags["protocol"] for name, run in runs.items()}
    assert len(set(prints.values())) == 2
    for name, run in runs.items():
        assert f"Protocol {name} {prints[name]}: " in ran.out
        assert store.artifact(sweep.run_id, f"summary_{name}_{prints[name]}.csv").is_file()
        assert store.artifact(sweep.run_id, f"comparison_{name}_{prints[name]}.png").is_file()
        told = json.loads(store.artifact(run.run_id, "protocol.json").read_text())
        assert (told["name"], told["fingerprint"]) == (name, prints[name])
        assert told["fields"]["clip_frames"] == 9 and told["networks"] == []
    assert len({run.metrics["eval/psnr_db"] for run in runs.values()}) == 2


def test_what_no_video_can_give_is_refused_before_anything_runs(
    tmp_path: Path, checkpoint: str
) -> None:
    line = (*QUICK, "task=evaluate", checkpoint, "metrics.protocol.clip_frames=999")
    ran = run_here(tmp_path, *line)
    assert ran.code == 2 and "odvae: metrics.protocol.clip_frames=999" in ran.err
    assert ran.err.count("\n") == 1


def test_a_misspelt_protocol_is_answered_with_those_there_are(tmp_path: Path) -> None:
    ran = run_here(tmp_path, *QUICK, "metrics/protocol=paper")
    assert ran.code == 2
    assert "laptop, odvae, opensora_plan, vidtok, wfvae, got 'paper'" in ran.err
