"""``odvae run ...``, ``odvae describe ...`` and the others: the commands under one name."""

import sys
from importlib import import_module

_COMMANDS = {  # name: (module, what it does)
    "run": ("odvae.run", "train and evaluate; the same as python -m odvae.run (odvae run --help)"),
    "describe": ("odvae.describe", "say what a model is: parts, costs, the frames it sees"),
    "convert": ("odvae.convert", "write weights in another form, bit for bit"),
    "weights": (
        "odvae.metrics.weights_command",
        "list the published weights that metrics can use, and fetch them",
    ),
}


def main() -> int:
    """Dispatch to a command; returns its exit code."""
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command in ("", "-h", "--help"):
        print("usage: odvae COMMAND ...\n")
        for name, (_, purpose) in _COMMANDS.items():
            print(f"  {name:9} {purpose}")
        return 0
    if command not in _COMMANDS:
        allowed = ", ".join(_COMMANDS)
        print(f"odvae: no command {command!r}; allowed: {allowed}", file=sys.stderr)
        return 2
    sys.argv = [f"odvae {command}", *sys.argv[2:]]
    code: int = import_module(_COMMANDS[command][0]).main()
    return code


if __name__ == "__main__":
    sys.exit(main())
