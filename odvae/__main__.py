"""``odvae run ...`` and ``odvae weights ...``: the commands under one name."""

import sys

_USAGE = """usage: odvae COMMAND ...

  run      train and evaluate; the same as python -m odvae.run (odvae run --help)
  weights  list the published weights that metrics can use, and fetch them"""


def main() -> int:
    """Dispatch to a command; returns its exit code."""
    command, arguments = (sys.argv[1] if len(sys.argv) > 1 else ""), sys.argv[2:]
    sys.argv = [f"odvae {command}", *arguments]
    match command:
        case "run":
            from odvae.run import main as run

            return run()
        case "weights":
            from odvae.metrics.weights_command import main as weights

            weights(arguments)
            return 0
        case "" | "-h" | "--help":
            print(_USAGE)
            return 0
        case _:
            print(f"odvae: no command {command!r}; allowed: run, weights", file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main())
