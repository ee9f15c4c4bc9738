"""Folders -> a Hugging Face Hub on 127.0.0.1 that serves them as repositories, with sizes, digests and ranges."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "c" * 40


class Hub:
    """What is served, what was asked for, and how the server misbehaves."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.heads: dict[str, str] = {}
        """The newest commit of a repository, which ``repositories`` holds; COMMIT unless said."""
        self.older: dict[tuple[str, str], dict[str, bytes]] = {}
        self.licence = "cc-by-nc-4.0"
        self.licences: dict[str, str] = {}
        """Of single repositories."""
        self.elsewhere = ""
        """Another server, to which every file is redirected."""
        self.authorized: list[str] = []
        """The Authorization header of every GET of a file."""
        self.revisions: set[str] = set()
        """What the files were asked for by."""
        self.ranges: list[tuple[str, str]] = []
        """(file, Range header) of every GET."""
        self.cut: int | None = None
        """Bytes after which the next body is cut off."""
        self.ignore_ranges = False
        self.corrupt = ""
        """A file whose bytes arrive changed."""
        self.slow_s = 0.0
        """What each 64 kB of a body waits for."""
        self.status = 0
        """Answers everything with this."""
        self.url = ""

    def add(self, name: str, folder: Path, commit: str = COMMIT) -> None:
        """Serves a folder as a repository, or as its next commit."""
        if name in self.repositories:
            self.older[name, self.heads[name]] = self.repositories[name]
        self.heads[name] = commit
        self.repositories[name] = {
            file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()
        }

    def commit(self, name: str, revision: str | None) -> str:
        """Which commit a revision is."""
        head = self.heads.get(name, COMMIT)
        return head if revision in (None, "main") else str(revision)

    def files(self, name: str, commit: str) -> dict[str, bytes] | None:
        """What a commit of a repository holds; None where there is none."""
        known = self.repositories.get(name) if commit == self.heads.get(name, COMMIT) else None
        return known if known is not None else self.older.get((name, commit))

    def info(self, name: str, commit: str) -> dict[str, Any]:
        """What the Hub's API says about a repository."""
        siblings = []
        for file, content in sorted((self.files(name, commit) or {}).items()):
            entry: dict[str, Any] = {"rfilename": file, "size": len(content), "blobId": _git(content)}
            if file.endswith((".safetensors", ".bin")):
                entry["lfs"] = {"sha256": _sha256(content), "size": len(content), "pointerSize": 130}
            siblings.append(entry)
        return {
            "_id": "1",
            "id": name,
            "modelId": name,
            "sha": commit,
            "siblings": siblings,
            "tags": [f"license:{self.licences.get(name, self.licence)}"],
            "private": False,
            "downloads": 0,
            "likes": 0,
        }


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _git(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@contextmanager
def serving() -> Iterator[Hub]:
    """A running hub."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            return None

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            path = self.path.split("?")[0]
            api = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?", path)
            tree = re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/.*", path)
            file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
            if hub.status:
                self._send(hub.status, b"{}", {}, body)
            elif api and api[1] in hub.repositories and hub.files(api[1], hub.commit(api[1], api[2])) is None:
                self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"}, body)
            elif api and api[1] in hub.repositories:
                found = hub.info(api[1], hub.commit(api[1], api[2]))
                self._send(200, json.dumps(found).encode(), {}, body)
            elif tree and tree[1] in hub.repositories:
                self._send(200, b"[]", {}, body)
            elif file and hub.elsewhere and body:
                hub.authorized.append(self.headers.get("Authorization", ""))
                self._send(302, b"", {"Location": hub.elsewhere + self.path}, body)
            elif file and file[3] in (hub.files(file[1], hub.commit(file[1], file[2])) or {}):
                commit = hub.commit(file[1], file[2])
                hub.revisions.add(file[2])
                hub.authorized += [self.headers.get("Authorization", "")] if body else []
                self._file(file[3], (hub.files(file[1], commit) or {})[file[3]], commit, body)
            else:
                missing = "EntryNotFound" if file and file[1] in hub.repositories else "RepoNotFound"
                self._send(404, b"{}", {"X-Error-Code": missing}, body)

        def _file(self, name: str, content: bytes, commit: str, body: bool) -> None:
            large = name.endswith((".safetensors", ".bin"))
            headers = {
                "ETag": f'"{_sha256(content) if large else _git(content)}"',
                "X-Repo-Commit": commit,
                "Accept-Ranges": "bytes",
            }
            wanted = self.headers.get("Range", "")
            if body:
                hub.ranges.append((name, wanted))
            if hub.corrupt == name:
                content = bytes(reversed(content))
            start = re.fullmatch(r"bytes=(\d+)-", wanted)
            if start and body and not hub.ignore_ranges:
                first = int(start[1])
                headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
                self._send(206, content[first:], headers, body)
            else:
                self._send(200, content, headers, body)

        def _send(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            for key, value in headers.items():
                self.send_header(key, value)
            self.end_headers()
            if not body:
                return
            if hub.cut is not None and len(content) > hub.cut:
                self.wfile.write(content[: hub.cut])
                hub.cut = None
                self.close_connection = True
            else:
                for start in range(0, len(content), 1 << 16):
                    time.sleep(hub.slow_s)
                    self.wfile.write(content[start : start + (1 << 16)])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
