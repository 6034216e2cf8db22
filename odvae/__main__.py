"""``odvae run ...``, ``odvae describe ...`` and the others: the commands under one name."""

import sys
from collections.abc import Callable

_PURPOSES = {
    "run": "train and evaluate; the same as python -m odvae.run (odvae run --help)",
    "compare": "compare finished runs: differences, intervals, a verdict, the telling clips",
    "status": "show how sweeps stand: what is finished, running, failed, missing",
    "sync": "upload to the shared MLflow what it does not have yet",
    "page": "open MLflow's page on the runs",
    "describe": "say what a model is: parts, costs, the frames it sees",
    "reconstruct": "send a video file through a VAE, and write what comes back",
    "encode": "encode a video file into a file of latents",
    "decode": "decode such a file into a video file",
    "convert": "write weights in another form, bit for bit",
    "scan": "decode every video of a source once; training then skips the bad ones",
    "shard": "write a source's videos as WebDataset tars",
    "weights": "list the published weights that metrics can use, and fetch them",
    "doctor": "say what could keep a run from working here, and what to do about it",
}


def main() -> int:
    """Dispatch to a command; returns its exit code."""
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    sys.argv = [f"odvae {command}", *sys.argv[2:]]
    entry = _on_runs(command) or _on_files(command)
    if entry is not None:
        return entry()
    if command in ("", "-h", "--help"):
        print("usage: odvae COMMAND ...\n")
        for name, purpose in _PURPOSES.items():
            print(f"  {name:11} {purpose}")
        return 0
    allowed = ", ".join(_PURPOSES)
    print(f"odvae: no command {command!r}; allowed: {allowed}", file=sys.stderr)
    return 2


def _on_runs(command: str) -> Callable[[], int] | None:
    """The function of a command that makes runs or looks at them; None: it is none of these."""
    entry: Callable[[], int] | None = None
    match command:  # each is imported when it is wanted: the imports take seconds
        case "run":
            from odvae.run import main as run

            entry = run
        case "compare":
            from odvae.compare import main as compare

            entry = compare
        case "status":
            from odvae.status import main as status

            entry = status
        case "page":
            from odvae.page import main as page

            entry = page
        case "sync":
            from odvae.sync import main as sync

            entry = sync
        case "doctor":
            from odvae.doctor import main as doctor

            entry = doctor
    return entry


def _on_files(command: str) -> Callable[[], int] | None:
    """The function of a command on models, videos and weights; None: it is none of these."""
    entry: Callable[[], int] | None = None
    match command:
        case "describe":
            from odvae.describe import main as describe

            entry = describe
        case "reconstruct":
            from odvae.reconstruct import main as reconstruct

            entry = reconstruct
        case "encode":
            from odvae.encode import main as encode

            entry = encode
        case "decode":
            from odvae.decode import main as decode

            entry = decode
        case "convert":
            from odvae.convert import main as convert

            entry = convert
        case "scan":
            from odvae.scan import main as scan

            entry = scan
        case "shard":
            from odvae.shard import main as shard

            entry = shard
        case "weights":
            from odvae.metrics.weights_command import main as weights

            entry = weights
    return entry


if __name__ == "__main__":
    sys.exit(main())
