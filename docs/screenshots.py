"""Take the pictures of MLflow's page that the docs show, with headless Chromium.

python docs/screenshots.py OUTPUT_DIR [--to docs/images]

OUTPUT_DIR holds the runs of at least one sweep. Chromium is spoken to over two pipes, in its
DevTools protocol: a page is photographed when what it is about is on it, not after a while.
"""

import argparse
import base64
import fcntl
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from odvae.errors import UserError
from odvae.tracking import LoggedRun, Store

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTH_PX, HEIGHT_PX = 1500, 900
WAIT_S = 60.0
# What the page keeps in the browser: its assistant is not to open by itself.
FIRST = "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')"
# The assistant's button, the tools of the charts, and paths of this computer.
HIDDEN = """
for (const element of document.querySelectorAll('button[data-assistant-ui], .modebar'))
  element.style.visibility = 'hidden';
for (const element of document.querySelectorAll('span, div, h1, h2, h3, h4, p'))
  if (!element.children.length && /file:|^Path:/.test(element.textContent))
    element.style.visibility = 'hidden';
for (const element of document.querySelectorAll('div'))
  if (/^Path:.*file:/.test(element.textContent)) element.style.visibility = 'hidden';
"""
MORE = "[...document.querySelectorAll('*')].filter(e => e.textContent == 'Show more').at(-1)"
# A moment in which the clip moves.
PLAY = "(async () => {{ const v = {video}; v.muted = true; v.loop = true; await v.play(); }})()"
VIDEO = "document.querySelector('video')"


class Browser:
    """A headless Chromium with one page."""

    def __init__(self, program: str, profile: str) -> None:
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        # High numbers first, lest one is 3 or 4 itself: it reads commands from 3, writes to 4.
        high = [fcntl.fcntl(pipe, fcntl.F_DUPFD, 20) for pipe in (theirs_in, theirs_out)]

        def connect() -> None:
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        options = [
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--hide-scrollbars", "--remote-debugging-pipe", f"--user-data-dir={profile}"),
        ]
        self._process = subprocess.Popen(
            [program, *options, "about:blank"],
            close_fds=False,
            preexec_fn=connect,  # noqa: PLW1509 (this program has one thread)
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for pipe in (theirs_in, theirs_out, *high):
            os.close(pipe)
        self._count, self._read = 0, b""
        self._session: str | None = None
        targets = self._call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        attached = self._call("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        size = {"width": WIDTH_PX, "height": HEIGHT_PX, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **size)
        self._call("Page.enable")
        self._call("Page.addScriptToEvaluateOnNewDocument", source=FIRST)

    def _call(self, method: str, **params: object) -> dict[str, Any]:
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._read:
            if not select.select([self._in], [], [], WAIT_S)[0]:
                raise TimeoutError("Chromium does not answer")
            got = os.read(self._in, 1 << 20)
            if not got:
                raise EOFError("Chromium ended")
            self._read += got
        one, _, self._read = self._read.partition(b"\0")
        answer: dict[str, Any] = json.loads(one)
        return answer

    def open(self, url: str) -> None:
        """Open a page anew, also where only what follows # differs."""
        self._call("Page.navigate", url="about:blank")
        self._call("Page.navigate", url=url)

    def evaluate(self, expression: str) -> object:
        """The value of a JavaScript expression on the page; of a promise, what it comes to."""
        asked = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        return self._call("Runtime.evaluate", **asked)["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Wait until a JavaScript condition holds, then until the page stands still."""
        deadline = time.monotonic() + WAIT_S
        while not self.evaluate(f"Boolean({condition})"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the page never came to: {condition}")
            time.sleep(0.2)
        time.sleep(1.5)

    def photograph(self, file: Path) -> None:
        """Write what is seen as a PNG."""
        self.evaluate(HIDDEN)
        file.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))
        print(f"{file} {file.stat().st_size // 1000} kB")

    def close(self) -> None:
        """End the program."""
        self._process.terminate()
        self._process.wait(20)


def photograph_all(
    browser: Browser, url: str, sweep: LoggedRun, child: LoggedRun, to: Path
) -> None:
    """The list of runs, their charts, a sweep, and a video that plays."""
    server, _, route = url.partition("/#")
    runs, _, query = route.partition("?")
    face = query.split("&")[0]
    browser.open(url)
    browser.wait_for(f"document.body.innerText.includes({json.dumps(child.name)})")
    browser.photograph(to / "mlflow_runs.png")

    browser.open(f"{url}&compareRunsMode=CHART")
    browser.wait_for("document.querySelectorAll('.js-plotly-plot').length > 2")
    browser.photograph(to / "mlflow_compare.png")

    browser.open(f"{server}/#{runs}/{sweep.run_id}?{face}")
    browser.wait_for(MORE)
    browser.evaluate(f"{MORE}.click()")
    browser.wait_for("[...document.images].some(i => i.src.includes('get-artifact') && i.complete)")
    browser.photograph(to / "mlflow_sweep.png")

    browser.open(f"{server}/#{runs}/{child.run_id}/artifacts/side_by_side.mp4?{face}")
    browser.wait_for(f"{VIDEO} && {VIDEO}.readyState > 2")
    browser.evaluate(PLAY.format(video=VIDEO))
    browser.wait_for(f"{VIDEO}.currentTime > 0.2")
    browser.photograph(to / "mlflow_video.png")


def find_sweep(output: Path) -> tuple[LoggedRun, LoggedRun]:
    """The newest sweep and its newest run. Raises UserError when there is none."""
    if not (output / "mlflow.db").is_file():
        raise UserError(f"{output}: there are no runs")
    runs = Store.open(output).runs()
    for sweep in runs:
        children = [run for run in runs if run.parent_id == sweep.run_id]
        if children:
            return sweep, children[0]
    raise UserError(f"{output}: there is no sweep among its {len(runs)} runs")


def take(output: Path, to: Path) -> None:
    """Serve the runs, photograph, stop the server."""
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        raise UserError(f"no Chromium on the path; looked for {', '.join(PROGRAMS)}")
    sweep, child = find_sweep(output)
    to.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "odvae.page", "--no-browser", "--port", str(port)]
    page = subprocess.Popen(
        [*command, "--output-dir", str(output)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert page.stdout is not None
        told = page.stdout.readline()
        if not told:
            raise UserError("the page did not start")
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            browser = Browser(program, profile)
            try:
                photograph_all(browser, told.split()[-1], sweep, child, to)
            finally:
                browser.close()
    finally:
        page.terminate()
        page.wait()


def main() -> int:
    """Run the command line; returns the exit code: 2 for a user's mistake."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("output_dir", type=Path, help="where the runs are")
    parser.add_argument("--to", type=Path, default=Path(__file__).parent / "images")
    asked = parser.parse_args()
    try:
        take(asked.output_dir, asked.to)
    except UserError as error:
        print(f"screenshots: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
