"""Weights from a hub: a real client in a process of its own, a fake hub on this computer."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from odvae.model import ODVAE
from odvae.model.saved import StoredVAE
from odvae.vaes.hub import HubId
from odvae.vaes.writing import Target, write
from tests.vaes.fake_hub import FakeHub, Repository

CHILD = """
import json, sys
from odvae.errors import UserError
from odvae.vaes import open_vae
for source in sys.argv[1:]:
    try:
        loaded = open_vae(source)
        said = [loaded.vae.architecture.variant, loaded.revision, loaded.sha256, loaded.source]
    except UserError as error:
        said = str(error)
    print("RESULT", json.dumps(said))
"""
OTHER_COMMIT = "beef" + "0" * 36


@dataclass
class Client:
    """Runs the client with a cache of its own."""

    hub: FakeHub
    home: Path

    def open(self, *sources: str, environment: dict[str, str] | None = None) -> list[object]:
        """What each source gives: [variant, revision, sha256, source], or an error's message."""
        foreign = ("HF_", "HUGGING", "ODVAE_")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
        settings = {
            "HF_ENDPOINT": self.hub.url,
            "HF_HOME": str(self.home),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "OMP_NUM_THREADS": "1",
            "NO_PROXY": "127.0.0.1",
        }
        ran = subprocess.run(
            [sys.executable, "-c", CHILD, *sources],
            env=inherited | settings | (environment or {}),
            cwd=self.home.parent,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        lines = [line for line in ran.stdout.splitlines() if line.startswith("RESULT ")]
        return [json.loads(line.removeprefix("RESULT ")) for line in lines]


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """Files of a video VAE in the released form and of an image VAE in diffusers'."""
    folder = tmp_path_factory.mktemp("forms")
    torch.manual_seed(0)
    models = {
        "official": ODVAE.variant(4, width=32, blocks=1),
        "diffusers": ODVAE.image(width=32, blocks=1),
    }
    for name, vae in models.items():
        write(StoredVAE(vae.architecture, vae.state_dict()), Target(name), folder / name)
    return {
        name: {path.name: path.read_bytes() for path in (folder / name).iterdir()}
        for name in models
    }


WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def hub(forms: dict[str, dict[str, bytes]]) -> Iterator[FakeHub]:
    video, image = forms["official"], forms["diffusers"]
    inside = {f"vae/{name}": content for name, content in video.items()}
    pickles = {"vae/checkpoint.ckpt": b"pickle" * 300, "model.bin": b"pickle" * 300}
    hub = FakeHub(
        {
            "someone/video": Repository(
                {**inside, **pickles, "unet/big.safetensors": b"x" * 2000, "README.md": b"text"}
            ),
            "someone/image": Repository(image, commit=OTHER_COMMIT, revisions=["main", "v1"]),
            "someone/moving": Repository(image, later_commits=[OTHER_COMMIT]),
            "someone/parts": Repository({"vae-00002-of-00002.safetensors": b"x"}),
            "someone/small": Repository({"vae.ckpt": b"version https://git-lfs.github.com/spec"}),
        }
    )
    with hub.running():
        yield hub


@pytest.fixture(scope="module")
def client(hub: FakeHub, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(hub, tmp_path_factory.mktemp("hub") / "cache")


SOURCES = ["someone/video/vae", "someone/image", "someone/image@v1"]
MISTAKES = {
    "someone/nothing": "no such folder, no such file, and the hub has no such repository",
    "someone/image@v9": "someone/image on the hub has no revision v9",
    "someone/video/text": "no weights at that place of the repository; they are in its top, unet",
    "someone/video/vae/none.safetensors": "the repository has no such file",
    "someone/moving": "the repository changed during the download; try again",
    "someone/parts": "vae-00001-of-00002.safetensors is missing, one of 00002 shards",
    "someone/small": "vae.ckpt: a git-lfs pointer",
}


@pytest.fixture(scope="module")
def opened(client: Client) -> list[object]:
    """What the first process of all gets."""
    return client.open(*SOURCES, *MISTAKES)


def test_only_what_is_needed_is_fetched(
    opened: list[object], hub: FakeHub, forms: dict[str, dict[str, bytes]]
) -> None:
    sha256 = {name: hashlib.sha256(files[WEIGHTS]).hexdigest() for name, files in forms.items()}
    commit = hub.repositories["someone/video"].commit
    assert opened[: len(SOURCES)] == [
        [4, commit, sha256["official"], "someone/video/vae"],
        [0, OTHER_COMMIT, sha256["diffusers"], "someone/image"],
        [0, OTHER_COMMIT, sha256["diffusers"], "someone/image@v1"],
    ]
    assert sorted(hub.fetched) == [  # no pickle, no other component, nothing twice
        "someone/image/config.json",
        f"someone/image/{WEIGHTS}",
        "someone/moving/config.json",
        f"someone/moving/{WEIGHTS}",
        "someone/small/vae.ckpt",
        "someone/video/vae/config.json",
        f"someone/video/vae/{WEIGHTS}",
    ]


def test_mistakes_are_told_in_one_line(opened: list[object]) -> None:
    for said, got in zip(MISTAKES.items(), opened[len(SOURCES) :], strict=True):
        source, expected = said
        assert isinstance(got, str), got
        assert expected in got and source in got.replace("--", "/") and "\n" not in got


def test_without_a_network_the_cache_is_used(client: Client, opened: list[object]) -> None:
    unreachable = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    *again, other = client.open(*SOURCES, "someone/other", environment=unreachable)
    assert again == opened[: len(SOURCES)]
    assert str(other).startswith("someone/other: no such folder, no such file, and it cannot be")
    assert "(ConnectError)" in str(other) or "(ConnectionError)" in str(other)
    assert str(other).endswith("get it elsewhere and name its folder or file instead")


def test_a_file_that_was_changed_in_the_cache(
    client: Client, opened: list[object], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(client.home, cache, symlinks=True)
    (file,) = cache.rglob(f"models--someone--image/snapshots/*/{WEIGHTS}")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.resolve().chmod(0o644)
    file.write_bytes(content)
    same, changed, other = Client(client.hub, cache).open(
        *SOURCES[:2], "someone/other", environment={"ODVAE_OFFLINE": "1"}
    )
    assert same == opened[0]
    assert "is not the file that the hub records" in str(changed) and "\n" not in str(changed)
    assert "(ODVAE_OFFLINE is set)" in str(other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/b", HubId("a/b")),
        ("a/b/", HubId("a/b")),
        ("a/b@refs/pr/3", HubId("a/b", revision="refs/pr/3")),
        ("a/b.c-1/vae", HubId("a/b.c-1", "vae/")),
        ("a/b/x/vae@main", HubId("a/b", "x/vae/", revision="main")),
        ("a/b/vae.ckpt", HubId("a/b", "", "vae.ckpt")),
        ("a/b/x/vae.ckpt@v1", HubId("a/b", "x/", "vae.ckpt", "v1")),
        *(
            (text, None)
            for text in ("a", "", "/a/b", "./a/b", "../a", "~/a", "a//b", "a b/c", "C:\\a")
        ),
    ],
)
def test_names_on_the_hub(text: str, expected: HubId | None) -> None:
    assert HubId.parse(text) == expected
