"""A hub on this computer: the few addresses that huggingface_hub asks for a download."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE_BYTES = 1000  # from here on files are kept as LFS, which records their sha256


@dataclass
class Repository:
    """Files by path, the same at every revision."""

    files: dict[str, bytes]
    commit: str = "c0ffee" + "0" * 34
    revisions: list[str] = field(default_factory=lambda: ["main"])
    later_commits: list[str] = field(default_factory=list)  # one more each time it is asked about


@dataclass
class FakeHub:
    """Repositories by name, and what was asked of them."""

    repositories: dict[str, Repository]
    url: str = ""
    fetched: list[str] = field(default_factory=list)  # paths of files

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve in a thread, on a free port."""
        handler = type("Handler", (_Handler,), {"hub": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def git_sha1(content: bytes) -> str:
    """Git's name of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub  # set in a class of its own for each hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""

    def _answer(self, *, with_body: bool) -> None:
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        match parts:
            case ["api", "models", owner, name, *rest]:
                self._api(self.hub.repositories.get(f"{owner}/{name}"), rest)
            case [owner, name, "resolve", revision, *path]:
                self._file(f"{owner}/{name}", revision, "/".join(path), with_body=with_body)
            case _:
                self._send(404)

    def _api(self, repository: Repository | None, rest: list[str]) -> None:
        if repository is None:
            return self._send(401, error="RepoNotFound")
        known = [*repository.revisions, repository.commit]
        info = _info(repository)
        if repository.later_commits:
            repository.commit = repository.later_commits.pop(0)
        match rest:
            case []:
                self._json(info)
            case ["revision", revision] if revision in known:
                self._json(info)
            case ["tree", revision, *_] if revision in known:
                self._json([_entry(*item) for item in repository.files.items()])
            case _:
                self._send(404, error="RevisionNotFound")

    def _file(self, name: str, revision: str, path: str, *, with_body: bool) -> None:
        repository = self.hub.repositories[name]
        if path not in repository.files:
            return self._send(404, error="EntryNotFound")
        content = repository.files[path]
        if with_body:
            self.hub.fetched.append(f"{name}/{path}")
        is_large = len(content) >= LARGE_BYTES
        etag = hashlib.sha256(content).hexdigest() if is_large else git_sha1(content)
        headers = {"X-Repo-Commit": repository.commit, "ETag": f'"{etag}"'}
        if is_large:
            headers |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(content))}
        return self._send(200, content, headers=headers, with_body=with_body)

    def _json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode())

    def _send(
        self,
        code: int,
        content: bytes = b"",
        *,
        error: str | None = None,
        headers: dict[str, str] | None = None,
        with_body: bool = True,
    ) -> None:
        self.send_response(code)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        if error is not None:
            self.send_header("X-Error-Code", error)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.wfile.write(content)


def _info(repository: Repository) -> dict[str, object]:
    siblings = [{"rfilename": path} for path in repository.files]
    return {"id": "owner/name", "sha": repository.commit, "siblings": siblings}


def _entry(path: str, content: bytes) -> dict[str, object]:
    entry: dict[str, object] = {
        "type": "file",
        "path": path,
        "size": len(content),
        "oid": git_sha1(content),
    }
    if len(content) >= LARGE_BYTES:
        sha256 = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": 130}
    return entry
