"""Starting jobs in three ways, with small programs in place of runs."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from odvae.errors import UserError
from odvae.experiment.backends.choose import jobs_at_a_time, make_backend
from odvae.experiment.launch import Backend, LaunchedJob, Started
from odvae.experiment.launch_plan import Launcher, LaunchPlan
from odvae.experiment.progress import PARENT_PID_VARIABLE

HERE = [
    Launcher.local,
    Launcher.joblib,
    pytest.param(Launcher.submitit_local, marks=pytest.mark.slow),
]
PACKAGES = {
    Launcher.joblib: "joblib",
    Launcher.submitit_local: "submitit",
    Launcher.ray: "ray",
}
SAYS_WHAT_IT_HAS = """
import os
print(os.environ["OMP_NUM_THREADS"], os.environ["CUDA_VISIBLE_DEVICES"], os.environ["OWN"])
raise SystemExit(3)
"""
DIES = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
STOPS_WHEN_ASKED = """
import signal, sys, time
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: sys.exit(130))
print("ready", flush=True)
time.sleep(60)
"""
DEAF = STOPS_WHEN_ASKED.replace("lambda *_: sys.exit(130)", "signal.SIG_IGN")
TELLS_ATTENDANT = f"import os; print(os.environ['{PARENT_PID_VARIABLE}'], flush=True)\n"
GOES_ON_THE_SECOND_TIME = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
if pathlib.Path("began").exists():
    print("resumed")
    sys.exit(0)
pathlib.Path("began").touch()
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture(params=HERE)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    launcher: Launcher = request.param
    if launcher in PACKAGES:
        pytest.importorskip(PACKAGES[launcher])
    return make_backend(LaunchPlan(launcher=launcher), folder=tmp_path / "sweep", devices=1)


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Backend, str], Started]:
    for module in ("local", "with_joblib", "with_submitit"):
        monkeypatch.setattr(
            f"odvae.experiment.backends.{module}.command", lambda job: list(job.overrides)
        )
    monkeypatch.chdir(tmp_path)

    def begin(backend: Backend, program: str) -> Started:
        job = LaunchedJob("job", [sys.executable, "-c", program], _log(), Path("job.json"))
        return backend.start(job, threads=3, gpus=["5", "7"], environment={"OWN": "given"})

    return begin


def _log() -> Path:
    return Path("job.log")


def _code(started: Started) -> int:
    deadline_s = time.monotonic() + 60
    while (code := started.poll()) is None:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    return code


def _wait_until_ready() -> None:
    deadline_s = time.monotonic() + 60
    while not _log().is_file() or "ready" not in _log().read_text():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_a_job_has_its_part_and_its_exit_code(
    backend: Backend, start: Callable[[Backend, str], Started]
) -> None:
    assert _code(start(backend, SAYS_WHAT_IT_HAS)) == 3
    assert _log().read_text().split() == ["3", "5,7", "given"]


def test_a_killed_job_is_told_by_its_signal(
    backend: Backend, start: Callable[[Backend, str], Started]
) -> None:
    assert _code(start(backend, DIES)) == -signal.SIGKILL


def test_a_job_may_be_asked_to_stop(
    backend: Backend, start: Callable[[Backend, str], Started]
) -> None:
    started = start(backend, STOPS_WHEN_ASKED)
    _wait_until_ready()
    assert started.poll() is None
    started.interrupt()
    assert _code(started) == 130


def test_a_deaf_job_is_killed(backend: Backend, start: Callable[[Backend, str], Started]) -> None:
    started = start(backend, DEAF)
    _wait_until_ready()
    started.interrupt()
    started.kill()
    assert _code(started) == -signal.SIGKILL


def _attendant() -> int:
    """The process between the launch and the job."""
    _wait_until_ready()
    pid = int(_log().read_text().split()[0])
    assert pid != os.getpid()
    return pid


def test_a_preempted_job_goes_on(start: Callable[[Backend, str], Started]) -> None:
    """By the signal that Slurm sends; submitit puts the job into its queue again."""
    pytest.importorskip("submitit")
    backend = make_backend(
        LaunchPlan(launcher=Launcher.submitit_local), folder=Path("sweep"), devices=1
    )
    started = start(backend, TELLS_ATTENDANT + GOES_ON_THE_SECOND_TIME)
    os.kill(_attendant(), signal.SIGUSR2)
    assert _code(started) == 0
    assert _log().read_text().split()[1::2] == ["ready", "resumed"]


def test_a_job_ends_with_its_attendant(start: Callable[[Backend, str], Started]) -> None:
    pytest.importorskip("joblib")
    backend = make_backend(LaunchPlan(launcher=Launcher.joblib), folder=Path("sweep"), devices=1)
    started = start(backend, TELLS_ATTENDANT + STOPS_WHEN_ASKED)
    os.kill(_attendant(), signal.SIGKILL)
    assert _code(started) == -signal.SIGKILL


def test_what_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for launcher, package in PACKAGES.items():
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(UserError, match=rf"{launcher.value} needs {package}: pip install"):
            make_backend(LaunchPlan(launcher=launcher), folder=tmp_path, devices=1)


def test_there_is_no_slurm_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"submitit_slurm: .*srun"):
        make_backend(LaunchPlan(launcher=Launcher.submitit_slurm), folder=tmp_path, devices=1)


@pytest.mark.parametrize(
    ("plan", "jobs"),
    [
        (LaunchPlan(launcher=Launcher.basic), 1),
        (LaunchPlan(launcher=Launcher.joblib, parallel=5), 5),
        (LaunchPlan(launcher=Launcher.submitit_slurm), 40),
    ],
)
def test_jobs_at_a_time(plan: LaunchPlan, jobs: int) -> None:
    assert jobs_at_a_time(plan, 40, devices=1) == jobs


@pytest.mark.parametrize(("name", "value"), [("parallel", 0), ("timeout_min", 0), ("mem_gb", -1)])
def test_a_field_out_of_range(name: str, value: int) -> None:
    with pytest.raises(UserError, match=rf"hydra.launcher.{name} must be at least 1, got {value}"):
        LaunchPlan.of("local", {name: value})


def test_a_launcher_of_another_name() -> None:
    with pytest.raises(UserError, match=r"hydra/launcher must be one of local, .* got ray_aws"):
        LaunchPlan.of("ray_aws", {})
