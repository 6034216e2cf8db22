"""The command behind make ui: MLflow's page, opened on the runs.

python -m odvae.page --output-dir outputs
"""

import os
import signal
import sys
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from odvae.compose import Parser, exit_code
from odvae.errors import UserError
from odvae.tracking import Store
from odvae.tracking.address import VARIABLE, shared_uri, shown
from odvae.tracking.page import route
from odvae.tracking.page_server import HOST, check_port, serving

_PORT = 5000


@dataclass(frozen=True)
class _Asked:
    """The command line."""

    output_dir: Path
    port: int
    browser: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 2 for a user's mistake."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the server ends with this command
    try:
        return exit_code(lambda: _show(_parse(argv)))
    except KeyboardInterrupt:
        print()
        return 0


def _parse(argv: Sequence[str] | None) -> _Asked:
    parser = Parser(
        prog="odvae page",
        description="Open MLflow's page on the runs: a row a run, newest sweep first, with what "
        f"tells them apart and their scores. Ctrl-C ends it. With {VARIABLE}=http://... the page "
        "is that server's, if it answers.",
    )
    add = parser.add_argument
    add("--output-dir", type=Path, default=Path("outputs"), help="where the runs are (outputs)")
    add("--port", type=int, default=_PORT, help=f"port on this computer ({_PORT})")
    add("--no-browser", action="store_true", help="print the address only")
    asked = parser.parse_args(argv)
    return _Asked(asked.output_dir, asked.port, browser=not asked.no_browser)


def _show(asked: _Asked) -> None:
    if shared_uri() is None and not (asked.output_dir.expanduser() / "mlflow.db").is_file():
        raise UserError(_no_runs(asked.output_dir))
    store = Store.open_to_read(asked.output_dir)
    is_served = store.uri.startswith("http")
    if not is_served:
        check_port(asked.port)
    runs = store.runs()
    if not runs:
        raise UserError(_no_runs(asked.output_dir))
    place = route(store, runs)
    if is_served:
        _open(shown(store.uri).rstrip("/") + place, browser=asked.browser)
        return
    output = asked.output_dir.expanduser().resolve()
    with serving(store, output, port=asked.port) as server:
        _open(f"http://{HOST}:{asked.port}{place}", browser=asked.browser)
        server.wait()


def _no_runs(output_dir: Path) -> str:
    return (
        f"output_dir={output_dir}: there are no runs yet; make some: "
        "python -m odvae.run -m variant=1,2,3,4 init=tail"
    )


def _open(url: str, *, browser: bool) -> None:
    print(f"MLflow's page: {url}", flush=True)
    if browser and _has_display():
        webbrowser.open(url)


def _has_display() -> bool:
    # Elsewhere than on Linux there is one; there, a browser in the terminal would take it over.
    return sys.platform != "linux" or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


if __name__ == "__main__":
    sys.exit(main())
