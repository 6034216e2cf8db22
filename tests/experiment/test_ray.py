"""Jobs as Ray's tasks, on a Ray of this computer, with small programs in place of runs."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from odvae.errors import UserError
from odvae.experiment.backends.with_ray import RayJobs
from odvae.experiment.launch import LaunchedJob, Started
from odvae.experiment.launch_plan import Launcher, LaunchPlan
from odvae.experiment.progress import PARENT_PID_VARIABLE

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.slow

PLAN = LaunchPlan(launcher=Launcher.ray, cpus_per_task=1, max_requeues=2)
ENDS = """
import os
print(os.environ["OMP_NUM_THREADS"], os.environ["OWN"], os.environ["ODVAE_X"], os.getcwd())
raise SystemExit(3)
"""
DIES = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
STOPS_WHEN_ASKED = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
print("ready", flush=True)
time.sleep(60)
"""
GOES_ON_THE_SECOND_TIME = f"""
import os, pathlib, sys, time
if pathlib.Path("began").exists():
    print("resumed")
    sys.exit(0)
pathlib.Path("began").touch()
print(os.environ["{PARENT_PID_VARIABLE}"], "ready", flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False)
    yield
    ray.shutdown()


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Started]:
    monkeypatch.setattr(
        "odvae.experiment.backends.with_ray.command", lambda job: list(job.overrides)
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ODVAE_X", "set after the cluster was started")
    backend = RayJobs(PLAN, devices=1)

    def begin(program: str) -> Started:
        job = LaunchedJob("job", [sys.executable, "-c", program], _log(), Path("job.json"))
        return backend.start(job, threads=7, gpus=[], environment={"OWN": "given"})

    return begin


def _log() -> Path:
    return Path("job.log")


def _code(started: Started) -> int:
    deadline_s = time.monotonic() + 120
    while (code := started.poll()) is None:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    return code


def _wait_until_ready() -> list[str]:
    deadline_s = time.monotonic() + 120
    while not _log().is_file() or "ready" not in _log().read_text():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    return _log().read_text().split()


def test_a_job_has_its_surroundings(start: Callable[[str], Started], tmp_path: Path) -> None:
    assert _code(start(ENDS)) == 3
    told = f"1 given set after the cluster was started {tmp_path}"
    assert _log().read_text().split() == told.split()


def test_a_killed_job_is_told_by_its_signal(start: Callable[[str], Started]) -> None:
    assert _code(start(DIES)) == -signal.SIGKILL


def test_a_job_may_be_asked_to_stop(start: Callable[[str], Started]) -> None:
    started = start(STOPS_WHEN_ASKED)
    _wait_until_ready()
    started.interrupt()
    assert _code(started) == 130


def test_a_job_whose_worker_died_goes_on(start: Callable[[str], Started]) -> None:
    """As one whose node died."""
    started = start(GOES_ON_THE_SECOND_TIME)
    attendant = int(_wait_until_ready()[0])
    os.kill(attendant, signal.SIGKILL)
    assert _code(started) == 0
    assert _log().read_text().split()[-1] == "resumed"


def test_a_job_may_be_killed(start: Callable[[str], Started]) -> None:
    started = start(STOPS_WHEN_ASKED.replace("lambda *_: sys.exit(130)", "signal.SIG_IGN"))
    _wait_until_ready()
    started.kill()
    assert _code(started) != 0


def test_a_cluster_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing_there(*_: object, **__: object) -> None:
        raise ConnectionError("no cluster")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", nothing_there)
    plan = LaunchPlan(launcher=Launcher.ray, address="10.0.0.1:6379")
    with pytest.raises(UserError, match=r"hydra.launcher.address=10.0.0.1:6379: no cluster"):
        RayJobs(plan, devices=1)
