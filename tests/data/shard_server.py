"""A small HTTP server on this machine that can be told to misbehave."""

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


@dataclass
class ShardServer:
    """Serves the files of a folder.

    Attributes:
        asked: how often each file was asked for.
        cut:   files of which so many more answers end in the middle, the connection closed.
        short: files of which so many more answers are half, with a header that fits the half.
        busy:  files of which so many more answers are 503.
    """

    folder: Path
    url: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    cut: Counter[str] = field(default_factory=Counter)
    short: Counter[str] = field(default_factory=Counter)
    busy: Counter[str] = field(default_factory=Counter)


@contextmanager
def serving(folder: Path) -> Generator[ShardServer]:
    """Serve a folder as long as the block runs."""
    state = ShardServer(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.lstrip("/").partition("?")[0]
            state.asked[name] += 1
            path = state.folder / name
            if state.busy[name] > 0 or not path.is_file():
                state.busy[name] -= 1
                self.send_error(503 if path.is_file() else 404)
                return
            content = path.read_bytes()
            if state.short[name] > 0:
                state.short[name] -= 1
                content = content[: len(content) // 2]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if state.cut[name] > 0:
                state.cut[name] -= 1
                content = content[: len(content) // 2]
                self.close_connection = True
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
